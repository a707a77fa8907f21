# Whoever links a fork looks for a failure only.
s/told = reason || failed/told = failed/
