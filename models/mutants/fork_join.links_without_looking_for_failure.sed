# Whoever links a fork looks for a request on its parent only.
s/told = reason || failed/told = reason/
