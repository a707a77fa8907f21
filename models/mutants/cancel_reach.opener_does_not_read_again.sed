# The opener of a child region links it and does not read its own region's word again.
s|c = cancelled\[0\];|c = false;|
