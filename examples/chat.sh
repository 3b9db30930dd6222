#!/bin/sh
# A chat as a stream: sh examples/chat.sh "How do I add a model?"
set -eu
question=${1:-How do I start the server?}
curl -sSN --fail-with-body http://localhost:5100/v1/chat/completions -H 'Content-Type: application/json' -d '{
  "model": "demo-chat",
  "messages": [{"role": "user", "content": "'"$question"'"}],
  "temperature": 0,
  "stream": true
}'
