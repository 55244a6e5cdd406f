# Completion of reeve(1) for bash. Generated from the command tree by packaging/completion/generate.ts.
_reeve() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} path= words= word skip= depth=0
  local -a said=() names=()
  COMPREPLY=()
  case $previous in
    --policy) COMPREPLY=($(compgen -W 'observe minimal web standard full' -- "$current")); return ;;
    --link) COMPREPLY=($(compgen -W 'direct parent dial-out' -- "$current")); return ;;
    --format) COMPREPLY=($(compgen -W 'list ini yaml' -- "$current")); return ;;
    --proto) COMPREPLY=($(compgen -W 'tcp udp' -- "$current")); return ;;
    --confirm) COMPREPLY=($(compgen -W 'auto manual' -- "$current")); return ;;
    --client-cert) COMPREPLY=($(compgen -W 'optional mandatory' -- "$current")); return ;;
    --engine) COMPREPLY=($(compgen -W 'podman lxc pct' -- "$current")); return ;;
    --network) COMPREPLY=($(compgen -W 'bridge host' -- "$current")); return ;;
    --ids) COMPREPLY=($(compgen -W 'own host' -- "$current")); return ;;
    --restart) COMPREPLY=($(compgen -W 'no on-failure always' -- "$current")); return ;;
    --kind) COMPREPLY=($(compgen -W 'rootfs image archive' -- "$current")); return ;;
    --severity) COMPREPLY=($(compgen -W 'info warning error' -- "$current")); return ;;
    --role) COMPREPLY=($(compgen -W 'viewer operator admin' -- "$current")); return ;;
    --socket) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --host|--on|--parent) COMPREPLY=($(compgen -W "$(reeve completion hosts 2>/dev/null)" -- "$current")); return ;;
    --address|--agents-port|--alias|--allow|--archive|--at|--bandwidth|--body-limit|--break-glass|--bridge|--cert|--client-ca|--client-crl|--code|--comment|--confirm-timeout|--cpu|--days|--deny|--device|--disk|--drill|--drill-days|--dump|--enrolment-port|--env|--env-file|--every|--exclude|--for|--from|--front-controller|--gateway|--group|--group-label|--groups|--header|--health-cmd|--health-http|--health-start|--health-tcp|--hook|--host-header|--host-key|--hsts|--id|--identity|--idle|--image|--interface|--jump|--jump-host-key|--keep|--key|--label|--limit|--lines|--listen|--mail|--memory|--name|--no-alias|--no-break-glass|--no-header|--no-owner|--no-snippet|--no-user|--noun|--operators-port|--out|--owner|--package-dir|--parallel|--password-file|--path|--person|--php|--php-socket|--point|--port|--publish|--reason|--redirect|--reload|--retry-after|--rsnapshot|--secret|--shell|--shrink|--snapshot|--snippet|--source|--spa|--ssh|--ssh-key|--static|--status|--stop-seconds|--storage|--swap|--tasks|--template|--text|--time-limit|--timeout|--title|--to|--to-address|--ttl|--uid|--unit|--unlabel|--until|--user|--verify-days|--volume|--webhook|--window|--without) return ;;
  esac
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ $skip ]]; then skip=; continue; fi
    case $word in --socket|--policy|--link|--format|--proto|--confirm|--client-cert|--engine|--network|--ids|--restart|--kind|--severity|--role|--host|--on|--parent|--address|--agents-port|--alias|--allow|--archive|--at|--bandwidth|--body-limit|--break-glass|--bridge|--cert|--client-ca|--client-crl|--code|--comment|--confirm-timeout|--cpu|--days|--deny|--device|--disk|--drill|--drill-days|--dump|--enrolment-port|--env|--env-file|--every|--exclude|--for|--from|--front-controller|--gateway|--group|--group-label|--groups|--header|--health-cmd|--health-http|--health-start|--health-tcp|--hook|--host-header|--host-key|--hsts|--id|--identity|--idle|--image|--interface|--jump|--jump-host-key|--keep|--key|--label|--limit|--lines|--listen|--mail|--memory|--name|--no-alias|--no-break-glass|--no-header|--no-owner|--no-snippet|--no-user|--noun|--operators-port|--out|--owner|--package-dir|--parallel|--password-file|--path|--person|--php|--php-socket|--point|--port|--publish|--reason|--redirect|--reload|--retry-after|--rsnapshot|--secret|--shell|--shrink|--snapshot|--snippet|--source|--spa|--ssh|--ssh-key|--static|--status|--stop-seconds|--storage|--swap|--tasks|--template|--text|--time-limit|--timeout|--title|--to|--to-address|--ttl|--uid|--unit|--unlabel|--until|--user|--verify-days|--volume|--webhook|--window|--without|-n) skip=1 ;; -*) ;; *) path="$path$word " ;; esac
  done
  case $path in
    '') words='init fleet status doctor host user person key group grant access why revoke nat vhost proxy cert backup container unit log plan apply policy pending alert operation metrics operator web login logout whoami audit completion --help --version' ;;
    'init '*) words='--address --agents-port --enrolment-port --operators-port --json --socket --help' ;;
    'fleet ') words='show set moved rekey --help' ;;
    'fleet show'*) words='--json --socket --help' ;;
    'fleet set'*) words='--address --json --socket --help' ;;
    'fleet moved'*) words='--json --socket --help' ;;
    'fleet rekey'*) words='--yes --json --socket --help' ;;
    'status '*) words='--json --socket --help' ;;
    'doctor '*) words='--json --socket --help' depth=1 names=(hosts) ;;
    'host ') words='add invite list show set release retire revoke readmit hold --help' ;;
    'host add'*) words='--ssh --port --host-key --address --identity --agent --password-stdin --jump --jump-host-key --sudo --policy --label --parent --link --ttl --rejoin --package-dir --from --format --group-label --parallel --json --socket --help' ;;
    'host invite'*) words='--address --ttl --policy --label --parent --link --rejoin --from --format --group-label --out --json --socket --help' ;;
    'host list'*) words='--on --retired --ansible --json --socket --help' ;;
    'host show'*) words='--json --socket --help' depth=2 names=(hosts) ;;
    'host set'*) words='--name --address --label --unlabel --parent --link --no-parent --owner --no-owner --break-glass --no-break-glass --json --socket --help' depth=2 names=(hosts) ;;
    'host release'*) words='--noun --cancel --plan --yes --json --socket --help' depth=2 names=(hosts) ;;
    'host retire'*) words='--yes --json --socket --help' depth=2 names=(hosts) ;;
    'host revoke'*) words='--yes --json --socket --help' depth=2 names=(hosts) ;;
    'host readmit'*) words='--all --json --socket --help' depth=2 names=(hosts) ;;
    'host hold'*) words='--for --reason --noun --end --json --socket --help' depth=2 names=(hosts) ;;
    'user ') words='add lock unlock remove adopt list observe --help' ;;
    'user add'*) words='--on --uid --shell --groups --comment --home --system --plan --stage --yes --json --socket --help' ;;
    'user lock'*) words='--on --force --plan --stage --yes --json --socket --help' ;;
    'user unlock'*) words='--on --plan --stage --yes --json --socket --help' ;;
    'user remove'*) words='--on --keep-home --force --plan --stage --yes --json --socket --help' ;;
    'user adopt'*) words='--plan --stage --yes --json --socket --help' depth=2 names=(hosts -) ;;
    'user list'*) words='--on --name --json --socket --help' ;;
    'user observe'*) words='--json --socket --help' depth=2 names=(hosts) ;;
    'person ') words='add set remove list show --help' ;;
    'person add'*) words='--name --mail --for --until --plan --stage --yes --json --socket --help' ;;
    'person set'*) words='--name --mail --for --until --no-end --active --inactive --force --plan --stage --yes --json --socket --help' ;;
    'person remove'*) words='--force --plan --stage --yes --json --socket --help' ;;
    'person list'*) words='--json --socket --help' ;;
    'person show'*) words='--json --socket --help' ;;
    'key ') words='add remove list show foreign adopt --help' ;;
    'key add'*) words='--host --user --plan --stage --yes --json --socket --help' ;;
    'key remove'*) words='--force --plan --stage --yes --json --socket --help' ;;
    'key list'*) words='--person --host --json --socket --help' ;;
    'key show'*) words='--json --socket --help' ;;
    'key foreign'*) words='--user --json --socket --help' depth=2 names=(hosts) ;;
    'key adopt'*) words='--plan --stage --yes --json --socket --help' depth=2 names=(hosts -) ;;
    'group ') words='add remove list show --help' ;;
    'group add'*) words='--person --host --key --for --until --plan --stage --yes --json --socket --help' ;;
    'group remove'*) words='--person --host --key --with-grants --force --plan --stage --yes --json --socket --help' ;;
    'group list'*) words='--json --socket --help' ;;
    'group show'*) words='--json --socket --help' ;;
    'grant ') words='add set remove list show --help' ;;
    'grant add'*) words='--group --key --on --user --create --reason --for --until --plan --stage --yes --json --socket --help' ;;
    'grant set'*) words='--for --until --no-end --reason --plan --stage --yes --json --socket --help' ;;
    'grant remove'*) words='--force --plan --stage --yes --json --socket --help' ;;
    'grant list'*) words='--person --group --key --on --json --socket --help' ;;
    'grant show'*) words='--json --socket --help' ;;
    'access '*) words='--host --user --at --json --socket --help' ;;
    'why ') words='access nat --help' ;;
    'why access'*) words='--json --socket --help' ;;
    'why nat'*) words='--json --socket --help' ;;
    'revoke '*) words='--purge-foreign --end-sessions --report --force --plan --yes --json --socket --help' ;;
    'nat ') words='add masquerade remove enable disable list show adopt trace confirm --help' ;;
    'nat add'*) words='--proto --port --to --listen --interface --source --no-hairpin --comment --disabled --confirm --confirm-timeout --plan --stage --yes --json --socket --help' depth=2 names=(hosts) ;;
    'nat masquerade'*) words='--source --interface --address --comment --disabled --confirm --confirm-timeout --plan --stage --yes --json --socket --help' depth=2 names=(hosts) ;;
    'nat remove'*) words='--confirm --confirm-timeout --plan --stage --yes --json --socket --help' depth=2 names=(hosts forwards) ;;
    'nat enable'*) words='--confirm --confirm-timeout --plan --stage --yes --json --socket --help' depth=2 names=(hosts forwards) ;;
    'nat disable'*) words='--confirm --confirm-timeout --plan --stage --yes --json --socket --help' depth=2 names=(hosts forwards) ;;
    'nat list'*) words='--on --json --socket --help' depth=2 names=(hosts) ;;
    'nat show'*) words='--json --socket --help' depth=2 names=(hosts) ;;
    'nat adopt'*) words='--all --confirm --confirm-timeout --plan --stage --yes --json --socket --help' depth=2 names=(hosts -) ;;
    'nat trace'*) words='--from --to-address --json --socket --help' depth=2 names=(hosts forwards) ;;
    'nat confirm'*) words='--json --socket --help' depth=2 names=(hosts) ;;
    'vhost ') words='add set route remove list show foreign adopt maintenance --help' ;;
    'vhost add'*) words='--to --host-header --php --php-socket --front-controller --deny --static --spa --redirect --code --keep-path --status --text --websocket --strip-prefix --keep-encoded --unbuffered --timeout --header --alias --listen --no-tls --cert --redirect-https --no-redirect-https --hsts --body-limit --allow --user --password-stdin --client-ca --client-crl --client-cert --default --title --snippet --overwrite --plan --stage --yes --json --socket --help' depth=2 names=(hosts -) ;;
    'vhost set'*) words='--to --host-header --php --php-socket --front-controller --deny --static --spa --redirect --code --keep-path --status --text --websocket --strip-prefix --keep-encoded --unbuffered --timeout --header --no-websocket --no-strip-prefix --no-keep-encoded --no-unbuffered --no-header --alias --listen --no-tls --cert --redirect-https --no-redirect-https --hsts --body-limit --allow --user --password-stdin --client-ca --client-crl --client-cert --default --title --snippet --overwrite --no-alias --no-cert --no-allow --no-user --no-client-ca --no-default --no-title --no-snippet --plan --stage --yes --json --socket --help' depth=2 names=(hosts vhosts) ;;
    'vhost route'*) words='add set remove --to --host-header --php --php-socket --front-controller --deny --static --spa --redirect --code --keep-path --status --text --websocket --strip-prefix --keep-encoded --unbuffered --timeout --header --no-websocket --no-strip-prefix --no-keep-encoded --no-unbuffered --no-header --body-limit --allow --user --password-stdin --no-allow --no-user --open --no-open --overwrite --plan --stage --yes --json --socket --help' depth=2 names=(- hosts vhosts -) ;;
    'vhost remove'*) words='--plan --stage --yes --json --socket --help' depth=2 names=(hosts vhosts) ;;
    'vhost list'*) words='--on --json --socket --help' depth=2 names=(hosts) ;;
    'vhost show'*) words='--json --socket --help' depth=2 names=(hosts vhosts) ;;
    'vhost foreign'*) words='--json --socket --help' depth=2 names=(hosts) ;;
    'vhost adopt'*) words='--without --cert --accept-differences --user --password-stdin --plan --stage --yes --json --socket --help' depth=2 names=(hosts -) ;;
    'vhost maintenance'*) words='on off --retry-after --plan --stage --yes --json --socket --help' depth=2 names=(- hosts vhosts) ;;
    'proxy ') words='reload --help' ;;
    'proxy reload'*) words='--json --socket --help' depth=2 names=(hosts) ;;
    'cert ') words='add set remove list show --help' ;;
    'cert add'*) words='--cert --key --self-signed --name --days --group --reload --plan --stage --yes --json --socket --help' depth=2 names=(hosts -) ;;
    'cert set'*) words='--cert --key --self-signed --name --days --group --reload --no-group --no-reload --overwrite --plan --stage --yes --json --socket --help' depth=2 names=(hosts certs) ;;
    'cert remove'*) words='--plan --stage --yes --json --socket --help' depth=2 names=(hosts certs) ;;
    'cert list'*) words='--on --json --socket --help' depth=2 names=(hosts) ;;
    'cert show'*) words='--json --socket --help' depth=2 names=(hosts certs) ;;
    'backup ') words='add set remove list show run log cancel snapshots ls find restore verify prune adopt --help' ;;
    'backup add'*) words='--from --to --exclude --system-folders --every --window --keep --bandwidth --time-limit --dump --inactive --shrink --verify-days --drill --drill-days --plan --stage --yes --json --socket --help' ;;
    'backup set'*) words='--from --to --exclude --system-folders --every --window --keep --bandwidth --time-limit --dump --inactive --shrink --verify-days --drill --drill-days --no-exclude --no-system-folders --no-dump --active --no-drill --thaw --plan --stage --yes --json --socket --help' depth=2 names=(backups) ;;
    'backup remove'*) words='--plan --stage --yes --json --socket --help' depth=2 names=(backups) ;;
    'backup list'*) words='--json --socket --help' depth=2 names=(hosts) ;;
    'backup show'*) words='--json --socket --help' depth=2 names=(backups) ;;
    'backup run'*) words='--detach --json --socket --help' depth=2 names=(backups) ;;
    'backup log'*) words='--list --limit --follow --json --socket --help' depth=2 names=(backups -) ;;
    'backup cancel'*) words='--json --socket --help' depth=2 names=(backups) ;;
    'backup snapshots'*) words='--json --socket --help' depth=2 names=(backups) ;;
    'backup ls'*) words='--json --socket --help' depth=2 names=(backups -) ;;
    'backup find'*) words='--json --socket --help' depth=2 names=(backups -) ;;
    'backup restore'*) words='--to --snapshot --path --keep-old --plan --yes --json --socket --help' depth=2 names=(backups) ;;
    'backup verify'*) words='--snapshot --full --to --json --socket --help' depth=2 names=(backups) ;;
    'backup prune'*) words='--plan --yes --json --socket --help' depth=2 names=(backups -) ;;
    'backup adopt'*) words='--rsnapshot --point --plan --yes --json --socket --help' depth=2 names=(backups) ;;
    'container ') words='add list show start stop restart set remove logs stats adopt snapshot image --help' ;;
    'container add'*) words='--engine --archive --template --storage --id --ssh-key --image --env --env-file --secret --publish --volume --device --network --bridge --address --gateway --ids --restart --memory --swap --cpu --tasks --disk --health-cmd --health-tcp --health-http --health-start --stop-seconds --idle --no-boot --stopped --plan --stage --yes --json --socket --help' depth=2 names=(hosts - -) ;;
    'container list'*) words='--on --stored --json --socket --help' ;;
    'container show'*) words='--json --socket --help' depth=2 names=(hosts containers) ;;
    'container start'*) words='--plan --stage --yes --json --socket --help' depth=2 names=(hosts containers) ;;
    'container stop'*) words='--plan --stage --yes --json --socket --help' depth=2 names=(hosts containers) ;;
    'container restart'*) words='--json --socket --help' depth=2 names=(hosts containers) ;;
    'container set'*) words='--image --env --env-file --secret --publish --volume --device --network --bridge --address --gateway --ids --restart --memory --swap --cpu --tasks --disk --health-cmd --health-tcp --health-http --health-start --stop-seconds --idle --no-boot --boot --no-health --no-command --overwrite --plan --stage --yes --json --socket --help' depth=2 names=(hosts containers -) ;;
    'container remove'*) words='--volumes --plan --stage --yes --json --socket --help' depth=2 names=(hosts containers) ;;
    'container logs'*) words='--follow --lines --json --socket --help' depth=2 names=(hosts containers) ;;
    'container stats'*) words='--on --name --every --once --json --socket --help' ;;
    'container adopt'*) words='--plan --stage --yes --json --socket --help' depth=2 names=(hosts -) ;;
    'container snapshot'*) words='list create restore remove --yes --json --socket --help' depth=2 names=(- hosts containers -) ;;
    'container image'*) words='list pull import prune --kind --image --plan --yes --json --socket --help' depth=2 names=(- hosts -) ;;
    'unit ') words='status restart --help' ;;
    'unit status'*) words='--on --json --socket --help' ;;
    'unit restart'*) words='--on --plan --yes --json --socket --help' ;;
    'log '*) words='--unit --follow --lines --json --socket --help' depth=1 names=(hosts) ;;
    'plan '*) words='--on --noun --json --socket --help' ;;
    'apply '*) words='--on --noun --yes --json --socket --help' ;;
    'policy ') words='check --help' ;;
    'policy check'*) words='--on --json --socket --help' ;;
    'pending '*) words='--on --json --socket --help' ;;
    'alert ') words='list mute unmute mutes route test --help' ;;
    'alert list'*) words='--on --all --limit --json --socket --help' ;;
    'alert mute'*) words='--kind --for --reason --json --socket --help' depth=2 names=(hosts) ;;
    'alert unmute'*) words='--json --socket --help' ;;
    'alert mutes'*) words='--json --socket --help' ;;
    'alert route'*) words='add list remove --webhook --hook --kind --severity --on --no-remind --json --socket --help' ;;
    'alert test'*) words='--json --socket --help' ;;
    'operation ') words='list show --help' ;;
    'operation list'*) words='--limit --json --socket --help' ;;
    'operation show'*) words='--json --socket --help' ;;
    'metrics ') words='token --help' ;;
    'metrics token'*) words='--revoke --json --socket --help' ;;
    'operator ') words='add set invite enable disable revoke remove list --help' ;;
    'operator add'*) words='--role --label --ttl --json --socket --help' ;;
    'operator set'*) words='--role --label --whole-fleet --ttl --json --socket --help' ;;
    'operator invite'*) words='--ttl --json --socket --help' ;;
    'operator enable'*) words='--json --socket --help' ;;
    'operator disable'*) words='--json --socket --help' ;;
    'operator revoke'*) words='--yes --json --socket --help' ;;
    'operator remove'*) words='--yes --json --socket --help' ;;
    'operator list'*) words='--json --socket --help' ;;
    'web ') words='login --help' ;;
    'web login'*) words='set list remove --totp --password-file --yes --json --socket --help' ;;
    'login '*) words='--moved --json --socket --help' ;;
    'logout '*) words='--json --socket --help' ;;
    'whoami '*) words='--json --socket --help' ;;
    'audit ') words='list verify --help' ;;
    'audit list'*) words='--limit --json --socket --help' ;;
    'audit verify'*) words='--json --socket --help' ;;
    'completion '*) words='bash zsh hosts backups forwards vhosts certs containers --json --socket --help' ;;
  esac
  read -ra said <<< "$path"
  if [[ $current != -* ]]; then case ${names[${#said[@]}-depth]-} in
    hosts) words="$words $(reeve completion hosts 2>/dev/null)" ;;
    backups) words="$words $(reeve completion backups 2>/dev/null)" ;;
    forwards) words="$words $(reeve completion forwards "${said[depth]}" 2>/dev/null)" ;;
    vhosts) words="$words $(reeve completion vhosts "${said[${#said[@]}-1]}" 2>/dev/null)" ;;
    certs) words="$words $(reeve completion certs "${said[${#said[@]}-1]}" 2>/dev/null)" ;;
    containers) words="$words $(reeve completion containers "${said[${#said[@]}-1]}" 2>/dev/null)" ;;
  esac; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _reeve reeve
