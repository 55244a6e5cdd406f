# Completion of reeve(1) for bash. Generated from the command tree by packaging/completion/generate.ts.
_reeve() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} path= words= word skip=
  COMPREPLY=()
  case $previous in
    --policy) COMPREPLY=($(compgen -W 'observe minimal web standard full' -- "$current")); return ;;
    --link) COMPREPLY=($(compgen -W 'direct parent dial-out' -- "$current")); return ;;
    --format) COMPREPLY=($(compgen -W 'list ini yaml' -- "$current")); return ;;
    --role) COMPREPLY=($(compgen -W 'viewer operator admin' -- "$current")); return ;;
    --socket) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --address|--agents-port|--comment|--enrolment-port|--for|--from|--group-label|--groups|--host-key|--identity|--jump|--jump-host-key|--label|--limit|--name|--noun|--on|--operators-port|--out|--package-dir|--parallel|--parent|--port|--reason|--shell|--ssh|--ttl|--uid|--unlabel) return ;;
  esac
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ $skip ]]; then skip=; continue; fi
    case $word in --socket|--policy|--link|--format|--role|--address|--agents-port|--comment|--enrolment-port|--for|--from|--group-label|--groups|--host-key|--identity|--jump|--jump-host-key|--label|--limit|--name|--noun|--on|--operators-port|--out|--package-dir|--parallel|--parent|--port|--reason|--shell|--ssh|--ttl|--uid|--unlabel) skip=1 ;; -*) ;; *) path="$path$word " ;; esac
  done
  case $path in
    '') words='init fleet status doctor host user plan apply policy pending operation operator login logout whoami audit completion --help --version' ;;
    'init '*) words='--address --agents-port --enrolment-port --operators-port --json --socket --help' ;;
    'fleet ') words='show set moved rekey --help' ;;
    'fleet show'*) words='--json --socket --help' ;;
    'fleet set'*) words='--address --json --socket --help' ;;
    'fleet moved'*) words='--json --socket --help' ;;
    'fleet rekey'*) words='--yes --json --socket --help' ;;
    'status '*) words='--json --socket --help' ;;
    'doctor '*) words='--json --socket --help' ;;
    'host ') words='add invite list show set release retire revoke readmit hold --help' ;;
    'host add'*) words='--ssh --port --host-key --address --identity --agent --password-stdin --jump --jump-host-key --sudo --policy --label --parent --link --ttl --rejoin --package-dir --from --format --group-label --parallel --json --socket --help' ;;
    'host invite'*) words='--address --ttl --policy --label --parent --link --rejoin --from --format --group-label --out --json --socket --help' ;;
    'host list'*) words='--on --retired --ansible --json --socket --help' ;;
    'host show'*) words='--json --socket --help' ;;
    'host set'*) words='--name --address --label --unlabel --parent --link --no-parent --json --socket --help' ;;
    'host release'*) words='--noun --cancel --plan --yes --json --socket --help' ;;
    'host retire'*) words='--yes --json --socket --help' ;;
    'host revoke'*) words='--yes --json --socket --help' ;;
    'host readmit'*) words='--all --json --socket --help' ;;
    'host hold'*) words='--for --reason --noun --end --json --socket --help' ;;
    'user ') words='add lock unlock remove adopt list observe --help' ;;
    'user add'*) words='--on --uid --shell --groups --comment --home --system --plan --stage --yes --json --socket --help' ;;
    'user lock'*) words='--on --plan --stage --yes --json --socket --help' ;;
    'user unlock'*) words='--on --plan --stage --yes --json --socket --help' ;;
    'user remove'*) words='--on --keep-home --plan --stage --yes --json --socket --help' ;;
    'user adopt'*) words='--plan --stage --yes --json --socket --help' ;;
    'user list'*) words='--on --name --json --socket --help' ;;
    'user observe'*) words='--json --socket --help' ;;
    'plan '*) words='--on --noun --json --socket --help' ;;
    'apply '*) words='--on --noun --yes --json --socket --help' ;;
    'policy ') words='check --help' ;;
    'policy check'*) words='--on --json --socket --help' ;;
    'pending '*) words='--on --json --socket --help' ;;
    'operation ') words='list show --help' ;;
    'operation list'*) words='--limit --json --socket --help' ;;
    'operation show'*) words='--json --socket --help' ;;
    'operator ') words='add set invite enable disable revoke remove list --help' ;;
    'operator add'*) words='--role --label --ttl --json --socket --help' ;;
    'operator set'*) words='--role --label --whole-fleet --ttl --json --socket --help' ;;
    'operator invite'*) words='--ttl --json --socket --help' ;;
    'operator enable'*) words='--json --socket --help' ;;
    'operator disable'*) words='--json --socket --help' ;;
    'operator revoke'*) words='--yes --json --socket --help' ;;
    'operator remove'*) words='--yes --json --socket --help' ;;
    'operator list'*) words='--json --socket --help' ;;
    'login '*) words='--moved --json --socket --help' ;;
    'logout '*) words='--json --socket --help' ;;
    'whoami '*) words='--json --socket --help' ;;
    'audit ') words='list verify --help' ;;
    'audit list'*) words='--limit --json --socket --help' ;;
    'audit verify'*) words='--json --socket --help' ;;
    'completion '*) words='bash zsh --json --socket --help' ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _reeve reeve
