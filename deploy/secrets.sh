#!/bin/sh
# Make the secrets that compose.yaml hands to its containers: random, for this checkout only, kept when they exist.
set -eu
umask 022
cd "$(dirname "$0")/secrets"
chmod 700 .

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# Files are readable because each container has a user of its own; the folder is closed to everybody else.
if [ ! -s amqp_url ] || [ ! -s rabbitmq_user.conf ]; then
    password=$(random)
    printf 'default_user = callmq\ndefault_pass = %s\n' "$password" >rabbitmq_user.conf
    printf 'amqp://callmq:%s@rabbitmq:5672/\n' "$password" >amqp_url
fi
[ -s api_token ] || { random; echo; } >api_token
[ -s postgres_password ] || { random; echo; } >postgres_password
[ -s ledger_url ] || printf 'postgresql://callmq:%s@postgres/callmq\n' "$(cat postgres_password)" >ledger_url
echo "secrets: deploy/secrets is complete." >&2
