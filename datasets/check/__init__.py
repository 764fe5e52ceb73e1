"""Judge the subjects of a model directory before they are rendered, as a table and a page."""
