# The parent adds what it handed over, and waits although all of them have left.
s/pending = pending + handed\[0\] + handed\[1\];/& if :: handed[0] || handed[1] -> goto waits :: else -> skip fi;/
s/^  woken;$/waits: woken;/
