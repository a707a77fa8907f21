# A fork leaves the join before it unlinks.
/atomic { touch(); linked\[i\] = false };/d
/pending--; if/s/$/; atomic { touch(); linked[i] = false }/
