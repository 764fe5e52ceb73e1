"""One file for each data set whose folders are recognised, and the table of all of them."""
