# The park does not look at the cancel bit, so a request that came before it is missed.
s/refused = (cancelled\[who\] && !masked\[who\]);/refused = false;/
