# The fork that failed first is marked when it has left the join already.
/else -> stop(first); failed_first/s/failed_first\[i\] = first/skip/
/pending--; if/s/$/; failed_first[i] = first/
