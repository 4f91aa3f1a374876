"""dramatiq and requests: ``dramatiq dramatiq_job``, threads, replies confirmed."""

import threading

import dramatiq
import pika
import requests
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from job import AMQP_URL, ENDPOINT, EXCHANGE, QUEUE, ROUTING_KEY, reply, request_headers, validated


class QuorumBroker(RabbitmqBroker):
    """dramatiq has no setting for the type of its queues."""

    def _build_queue_arguments(self, queue_name: str) -> dict[str, object]:
        return {**super()._build_queue_arguments(queue_name), "x-queue-type": "quorum"}


broker = QuorumBroker(url=AMQP_URL, confirm_delivery=True)
dramatiq.set_broker(broker)
own = threading.local()


def session() -> requests.Session:
    """Return the session of this thread: requests' own are not for sharing."""
    if not hasattr(own, "session"):
        own.session = requests.Session()
    return own.session


@dramatiq.actor(queue_name=QUEUE)
def perform(body: str, key: str) -> None:
    command = validated(body)
    answer = session().post(ENDPOINT, data=body.encode(), headers=request_headers(key), timeout=30)
    answer.raise_for_status()
    document = reply(command, key, answer.status_code, answer.content)
    properties = pika.BasicProperties(delivery_mode=2, correlation_id=key, content_type="application/json")
    broker.channel.basic_publish(EXCHANGE, ROUTING_KEY, document, properties, mandatory=True)
