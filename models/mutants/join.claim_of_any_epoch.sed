# A claim does not look at the epoch: it ends whatever wait the task is in by then.
s/ && epoch\[who\] == wait && / \&\& /
