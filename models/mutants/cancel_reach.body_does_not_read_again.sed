# The body of a child region is linked and does not read its region's word again.
s|c = cancelled\[1\];|c = false;|
