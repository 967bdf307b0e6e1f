#!/bin/sh
# nightly.sh RUN SOURCE... [OPTION...]: the first night begins RUN, each later one goes on with it.
run=$1
shift
bulkload status "$run" >/dev/null 2>&1
if [ $? -eq 2 ]; then # there is no such run yet
    exec bulkload load "$@" --run "$run" --no-progress
fi
exec bulkload load --extend "$run" "$@" --no-progress
