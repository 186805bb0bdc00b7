"""
The workers: `dramatiq actors` imports this and finds one actor per agent.

Importing it opens no connection. The broker becomes Dramatiq's global one only if the program has set
none of its own, so an application that embeds Stepstream keeps its broker.
"""

import dramatiq
from dramatiq import broker as _dramatiq_broker

from app.bootstrap import worker_broker

broker = worker_broker()
if _dramatiq_broker.global_broker is None:
    dramatiq.set_broker(broker)
