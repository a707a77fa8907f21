# A claim does not look whether the wait has been claimed: both value and request win.
s/:: PENDING && epoch == e/:: armed \&\& epoch == e/
