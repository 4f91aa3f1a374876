"""Celery and requests: ``celery --app celery_job worker``, acknowledged late, replies confirmed."""

import threading

import requests
from celery import Celery
from job import AMQP_URL, ENDPOINT, EXCHANGE, IN_FLIGHT, QUEUE, ROUTING_KEY, reply, request_headers, validated
from kombu import Exchange, Queue

app = Celery("bench", broker=AMQP_URL)
replies = Exchange(EXCHANGE, type="topic", durable=True, no_declare=True)
app.conf.update(
    task_queues=[Queue(QUEUE, queue_arguments={"x-queue-type": "quorum"}, no_declare=True)],
    task_acks_late=True,
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    broker_transport_options={"confirm_publish": True},
    broker_pool_limit=IN_FLIGHT,
)
own = threading.local()


def session() -> requests.Session:
    """Return the session of this thread: requests' own are not for sharing."""
    if not hasattr(own, "session"):
        own.session = requests.Session()
    return own.session


@app.task(name="bench.perform")
def perform(body: str, key: str) -> None:
    command = validated(body)
    answer = session().post(ENDPOINT, data=body.encode(), headers=request_headers(key), timeout=30)
    answer.raise_for_status()
    document = reply(command, key, answer.status_code, answer.content)
    with app.producer_pool.acquire(block=True) as producer:
        producer.publish(
            document,
            exchange=replies,
            routing_key=ROUTING_KEY,
            declare=[],
            correlation_id=key,
            delivery_mode=2,
            content_type="application/json",
            content_encoding="utf-8",
        )
