# Nothing is owed for the finalizer phase itself: whoever resolves the last obligation closes the region.
s/^byte owed = 1; /byte owed = 0; /
s/live = live + 1; owed = 1 }/live = live + 1; owed = 0 }/
s/drop_owed(g); n++/n++/
