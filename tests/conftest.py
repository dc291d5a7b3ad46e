"""For all tests: an interrupt that interrupts.

What a shell starts in the background inherits a SIGINT that is ignored, and so would the commands that tests
interrupt.
"""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
