#!/bin/sh
# Written by provisioning: changes are overwritten. Saves what is to be saved, and lets
# go of snapshots that are too old.
set -e
set -a
. /etc/restic/environment
set +a
restic backup --quiet --host {{ host }} --tag provisioning{% for path in config.exclude %} --exclude '{{ path }}'{% endfor %} --files-from-verbatim /etc/restic/paths
restic forget --quiet --host {{ host }} --tag provisioning --prune --keep-last {{ config.keep.last }} --keep-daily {{ config.keep.daily }} --keep-weekly {{ config.keep.weekly }} --keep-monthly {{ config.keep.monthly }}
