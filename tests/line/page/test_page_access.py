"""Who is at the page: logging in, and what somebody may not do stays visible and says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from res2clip_runtime.service.users import add_password

PASSWORD = "a long enough secret"


@pytest.fixture
def users(tmp_path: Path) -> str:
    file = tmp_path / "users.toml"
    for name, role in (("vera", "viewer"), ("olga", "operator"), ("emil", "engineer")):
        add_password(file, name, role, PASSWORD)
    return f"users_file = {str(file)!r}"


def opened(view, line):
    """Return the page of somebody whom it does not know yet."""
    page = view(line)
    page.expected_refusals = True
    page.await_lamp("login")
    return page


def log_in(page, name: str, password: str = PASSWORD) -> None:
    page.expect("#login").to_be_visible()
    page.find("#login [name=name]").fill(name)
    page.find("#login [name=password]").fill(password)
    page.click("#login .primary")


def test_nothing_is_shown_before_the_login_and_a_wrong_password_is_said(
    make_line, view, camera, washer: Path, users: str
) -> None:
    with make_line(camera.url, washer, web=users) as line:
        page = opened(view, line)
        page.expect("#login").to_be_visible()
        page.judge("login")
        log_in(page, "olga", "not the password")
        page.expect("#login-error").to_have_text("name or password is wrong")
        log_in(page, "olga")
        page.await_lamp("ok")
        page.expect("#user-name").to_have_text("olga")
        page.click("#user")
        page.await_lamp("login")
        page.expect("#user-name").to_have_text("Log in")
        page.click("#user")
        log_in(page, "emil")
        page.await_lamp("ok")


def test_what_a_role_may_not_do_is_disabled_and_says_why(
    make_line, view, camera, washer: Path, users: str
) -> None:
    with make_line(camera.url, washer, web=users) as line:
        page = opened(view, line)
        log_in(page, "vera")
        page.await_lamp("ok")
        page.expect("#freeze").to_be_disabled()
        page.expect("#product").to_be_disabled()
        page.expect("#missed").to_be_disabled()
        page.expect("#feedback-why").to_have_text("For the role operator; you are viewer.")
        page.click("#user")
        page.click("#user")
        log_in(page, "olga")
        page.await_lamp("ok")
        page.expect("#missed").to_be_enabled()
        page.expect("#freeze").to_be_enabled()
        page.click("#adjust")
        page.find("#threshold-number").fill("0.5")
        page.expect("#preview").to_contain_text("NG")
        page.expect("#apply").to_be_disabled()
        page.expect("#threshold-why").to_have_text("For the role engineer; you are operator.")
        page.click("#tab-teach")
        page.expect("#teach-why").to_have_text("For the role engineer; you are operator.")
        page.judge("operator")
