# An announced wait is parked without looking whether it has been granted by now.
s/:: epoch == node_epoch -> slept = false  *.*granted by now.*$/:: false -> skip/
