# The parent looks whether somebody has taken a fork, and takes it afterwards.
s/atomic { mine = !taken\[i\]; taken\[i\] = true };/mine = !taken[i]; taken[i] = true;/
