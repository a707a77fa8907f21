# The waiter names the wait before the one that the park begins.
s/waiter = WAITER(who, epoch\[who\] + 1);/waiter = WAITER(who, epoch[who]);/
