"""The line: cameras, triggers and results that keep inspecting whatever breaks."""
