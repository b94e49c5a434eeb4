package main

import "io"

// completionCmd prints scripts.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Run prints the one of the shell: it asks "lunette complete" whenever words are to be completed.
func (c *completionCmd) Run(e *env) error {
	_, err := io.WriteString(e.stdout, map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[c.Shell])
	return err
}

// In bash, words end at colons and equal signs as well, which names have: what is before the last of them is
// taken away from what completes the word.
const bashCompletion = `# lunette completion bash
_lunette() {
    local line=${COMP_LINE:0:COMP_POINT} cur=${COMP_WORDS[COMP_CWORD]} word
    local -a words found
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    [[ $cur == [:=] ]] && cur=
    local full=${words[${#words[@]}-1]}
    COMPREPLY=()
    while IFS=$'\t' read -r word _; do
        case $word in
        :file) compopt -o default; return ;;
        :dir) compopt -o dirnames; return ;;
        esac
        found+=("${word#"${full%"$cur"}"}")
    done < <("${words[0]}" complete -- "${words[@]:1}" 2>/dev/null)
    COMPREPLY=("${found[@]}")
}
complete -F _lunette lunette
`

const zshCompletion = `#compdef lunette
# lunette completion zsh
_lunette() {
    local line word
    local -a found
    for line in "${(@f)$("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        word=${line%%$'\t'*}
        case $word in
        '') continue ;;
        :file) _files; return ;;
        :dir) _files -/; return ;;
        esac
        if [[ $line == *$'\t'* ]]; then
            found+=("${word//:/\\:}:${line#*$'\t'}")
        else
            found+=("${word//:/\\:}")
        fi
    done
    _describe lunette found
}
if [[ $funcstack[1] == _lunette ]]; then
    _lunette "$@"
else
    compdef _lunette lunette
fi
`

const fishCompletion = `# lunette completion fish
function __lunette_complete
    set -l words (commandline -opc)
    set -l found ($words[1] complete -- $words[2..-1] (commandline -ct) 2>/dev/null)
    switch "$found[1]"
        case :file
            __fish_complete_path (commandline -ct)
        case :dir
            __fish_complete_directories (commandline -ct)
        case '*'
            printf '%s\n' $found
    end
end
complete -c lunette -f -a '(__lunette_complete)'
`
