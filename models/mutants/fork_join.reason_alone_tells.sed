# A fork that was asked to stop does not count, whoever asked: it may itself be what the join has failed of.
s/!failed_first\[i\] && ended/ended/
