#!/bin/bash
# Written by provisioning: changes are overwritten.
set -eo pipefail
umask 077
cd /
mkdir -p {{ directory }}
file={{ directory }}/$(date +%Y%m%d-%H%M%S).sql.gz
runuser -u postgres -- pg_dumpall -p {{ config.port }} --clean --if-exists | gzip > "$file.part"
mv "$file.part" "$file"
find {{ directory }} -name '*.sql.gz' -mtime +{{ config.backup.retention_days }} -delete
