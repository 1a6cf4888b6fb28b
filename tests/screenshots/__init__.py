"""`make screenshots`: walks docs/walk.md in a real Chromium and takes the pictures of the documentation."""
