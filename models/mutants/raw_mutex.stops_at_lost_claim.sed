# A hand-over that loses its claim does not ask the next.
s/^     :: else -> skip$/     :: else -> break/
