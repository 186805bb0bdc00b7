"""
The workers: `dramatiq actors` imports this and finds one actor per agent.

Importing it opens no connection. The broker becomes Dramatiq's global one only if the program has set
none of its own, so an application that embeds Stepstream keeps its broker.
"""

import dramatiq
from dramatiq import broker as _dramatiq_broker

from stepstream import require_own_packages

require_own_packages()

from app.bootstrap.worker import worker_broker  # noqa: E402  # of another project it would be another `app`

broker = worker_broker()
if _dramatiq_broker.global_broker is None:
    dramatiq.set_broker(broker)
