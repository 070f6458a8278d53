# shellcheck shell=sh
# newer.sh PROJECT: for each image reference that runs, whether its registry has another image now. The unit asks, with the
# credentials that it has. A manifest names the image's id (its config) and the digests of its platforms.
container_lines "$1" | cut -f 4,11 | LC_ALL=C sort -u | while IFS=$tab read -r newer_i newer_r; do
    newer_r=${newer_r#\"}
    newer_r=${newer_r%\"}
    case $newer_r in *@sha256:*) printf 'newer\t%s\tpinned\n' "$newer_r" && continue ;; esac
    newer_m=$(limit 10 docker manifest inspect --verbose "$newer_r" 2>&1) ||
        newer_m=$(limit 10 docker manifest inspect --insecure --verbose "$newer_r" 2>&1) || {
        printf 'newer\t%s\tunknown\t%s\n' "$newer_r" "$(printf '%s' "$newer_m" | tail -n 1)"
        continue
    }
    newer_w=newer
    for newer_d in "$newer_i" $(D image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$newer_i" | sed 's/.*@//'); do
        case $newer_m in *"$newer_d"*) newer_w=same ;; esac
    done
    printf 'newer\t%s\t%s\n' "$newer_r" "$newer_w"
done
