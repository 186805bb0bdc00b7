"""Workers without the middleware that only tells others of them: `dramatiq benchmarks.unwatched_workers`."""

import dramatiq

from app.bootstrap.worker import worker_broker
from app.events.middleware import EventBus

broker = worker_broker()
broker.middleware[:] = [each for each in broker.middleware if not isinstance(each, EventBus)]
dramatiq.set_broker(broker)
