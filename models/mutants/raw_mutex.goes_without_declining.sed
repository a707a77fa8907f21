# A called task that is cancelled does not pass the call on.
s/:: !has -> decline(); gone = true/:: !has -> gone = true/
