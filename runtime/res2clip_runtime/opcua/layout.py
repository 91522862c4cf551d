"""What clients find in the server, as data: it builds the nodes and the tables of docs/opcua.md.

A node's id is its path (``ns=2;s=Health.Ready``), so that a PLC's program may name it.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "CAMERA",
    "EVENT_FIELDS",
    "METHODS",
    "NAMESPACE",
    "SINK",
    "STATE_FIELDS",
    "VARIABLES",
    "Argument",
    "Method",
    "Variable",
    "layout_as_markdown",
]

NAMESPACE = "urn:res2clip:vision"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable; clients read it only."""

    path: str
    """Its place below ``VisionSystem``."""
    kind: str
    """OPC UA data type; ``[]`` behind it: an array."""
    text: str
    """What it says."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a method."""

    name: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Method:
    """One method; every one needs the role operator."""

    path: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    text: str


_ERROR = Argument("error", "Int32", "0: what is refused has a bad status instead")
_JOB_INPUTS = (
    Argument("measId", "String", "of the measurement; comes back with the result; may be empty"),
    Argument("partId", "String", "of the part; comes back with the result; may be empty"),
    Argument("recipeId", "String", "recipe that must be prepared; empty: any"),
    Argument("productId", "String", "product that must be prepared; empty: any"),
)
_JOB_OUTPUTS = (Argument("jobId", "String", "comes back with every result of the job"), _ERROR)

METHODS = (
    Method(
        "RecipeManagement.PrepareRecipe",
        (Argument("externalId", "String", "the product"),),
        (
            Argument("internalId", "String", "first 16 digits of the recipe's sha256"),
            Argument("isCompleted", "Boolean", "true: it is prepared when the method returns"),
            _ERROR,
        ),
        "inspect this product from now on",
    ),
    Method("VisionStateMachine.StartSingleJob", _JOB_INPUTS, _JOB_OUTPUTS, "inspect one part"),
    Method(
        "VisionStateMachine.StartContinuous",
        _JOB_INPUTS,
        _JOB_OUTPUTS,
        "inspect part after part until Stop or Abort",
    ),
    Method("VisionStateMachine.Stop", (), (_ERROR,), "end the job with the part in hand"),
    Method("VisionStateMachine.Abort", (), (_ERROR,), "end the job at once; its part is void"),
    Method("VisionStateMachine.Reset", (), (_ERROR,), "leave Error; in Ready, void the result"),
)

_RESULT = (
    ("resultId", "String", "unlike that of any other result; empty: there is none"),
    ("jobId", "String", "the job it belongs to"),
    ("measId", "String", "as given with the job"),
    ("partId", "String", "as given with the job"),
    ("productId", "String", "the product"),
    ("externalRecipeId", "String", "the recipe as PrepareRecipe names it: the product"),
    ("internalRecipeId", "String", "first 16 digits of the recipe's sha256"),
    ("resultState", "Int32", "0 none, 1 completed, 3 aborted, 4 failed"),
    ("isPartial", "Boolean", "false"),
    ("isSimulated", "Boolean", "false"),
    ("hasTransferableDataOnFile", "Boolean", "false"),
    ("creationTime", "DateTime", "when the result came about"),
    ("decision", "String", "`OK`, `NG` or `ERROR`; the part is good only with `OK`"),
    ("score", "Double", "image score; NaN: none"),
    ("threshold", "Double", "highest score that is OK; NaN: none"),
    ("fault", "String", "why the decision is `ERROR`; empty otherwise"),
    ("resultContent", "String", "the whole verdict as JSON, as in the other outputs; empty: none"),
)
EVENT_FIELDS = tuple(Variable(name, kind, text) for name, kind, text in _RESULT)
STATE_FIELDS = (
    Variable("oldState", "String", "name of the state that was left"),
    Variable("newState", "String", "name of the state that was entered"),
    Variable("reason", "String", "why, for Preoperational and Error"),
)

VARIABLES = (
    Variable("Line", "String", "name of the line"),
    Variable("VisionStateMachine.CurrentState", "LocalizedText", "name of the state"),
    Variable("VisionStateMachine.CurrentState.Id", "NodeId", "node of the state"),
    Variable("VisionStateMachine.CurrentState.Number", "UInt32", "number of the state"),
    Variable("VisionStateMachine.Reason", "String", "why it is Preoperational or Error"),
    Variable("VisionStateMachine.JobId", "String", "of the job that runs; empty: none"),
    Variable("RecipeManagement.Recipes", "String[]", "products that PrepareRecipe takes"),
    Variable("RecipeManagement.PreparedRecipe", "String", "the product chosen; empty: none"),
    Variable("RecipeManagement.PreparedRecipeId", "String", "its recipe's id"),
    Variable("ResultManagement.ResultCount", "UInt32", "results since the start"),
    *(Variable(f"ResultManagement.LastResult.{name}", kind, text) for name, kind, text in _RESULT),
    Variable("Health.Ready", "Boolean", "results may be trusted"),
    Variable("Health.Reason", "String", "why not; empty otherwise"),
    Variable("Health.Heartbeat", "UInt32", "one more each second, as long as the line answers"),
    Variable("Health.Ok", "UInt64", "verdicts so far"),
    Variable("Health.Ng", "UInt64", "verdicts so far"),
    Variable("Health.Error", "UInt64", "verdicts so far"),
    Variable("Health.Inspected", "UInt64", "pictures that went through the model"),
    Variable("Health.Triggers", "UInt64", "triggers so far"),
    Variable("Health.Late", "UInt64", "of these, answered with ERROR at the deadline"),
    Variable("Health.Waiting", "UInt32", "triggers without an answer yet"),
    Variable("Health.LatencyMs", "Double", "median of a picture's stages; NaN: none yet"),
    Variable("Health.UptimeS", "Double", "since the line began"),
)

CAMERA = (
    Variable("State", "String", "`opening`, `ready`, `lost` or `ended`"),
    Variable("Reason", "String", "why it is lost"),
    Variable("Frames", "UInt64", "pictures it has given"),
    Variable("Dropped", "UInt64", "replaced by a newer one before they were inspected"),
    Variable("Damaged", "UInt64", "that came incomplete"),
    Variable("Reconnects", "UInt32", "how often it was opened anew"),
    Variable("FrameAgeS", "Double", "since its last picture; NaN: none yet"),
)
"""Below ``Health.Cameras.<name>``."""

SINK = (
    Variable("State", "String", "`ok`, `failing` or `closed`"),
    Variable("Reason", "String", "why it fails"),
    Variable("Written", "UInt64", "verdicts it has taken"),
    Variable("Dropped", "UInt64", "verdicts it has lost"),
    Variable("Queued", "UInt32", "verdicts that wait"),
)
"""Below ``Health.Sinks.<name>``."""


def layout_as_markdown() -> str:
    """Return the tables of docs/opcua.md."""
    rows = ["| method | in | out | what |", "|---|---|---|---|"]
    for method in METHODS:
        ins, outs = (", ".join(f"`{a.name}`" for a in side) or "-"
                     for side in (method.inputs, method.outputs))  # fmt: skip
        rows.append(f"| `{method.path}` | {ins} | {outs} | {method.text} |")
    arguments = {a.name: a for m in METHODS for a in (*m.inputs, *m.outputs)}
    rows += ["", "| argument | type | what |", "|---|---|---|"]
    rows += [f"| `{a.name}` | {a.kind} | {a.text} |" for a in arguments.values()]
    rows += ["", "| variable | type | what |", "|---|---|---|"]
    below = [
        *VARIABLES,
        *(Variable(f"Health.Cameras.<name>.{v.path}", v.kind, v.text) for v in CAMERA),
        *(Variable(f"Health.Sinks.<name>.{v.path}", v.kind, v.text) for v in SINK),
    ]
    rows += [f"| `{v.path}` | {v.kind} | {v.text} |" for v in below]
    return "\n".join(rows) + "\n"
