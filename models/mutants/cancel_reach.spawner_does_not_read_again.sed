# A spawner links its record and does not read the region word again.
s|c = cancelled\[r\]; |c = false; |
