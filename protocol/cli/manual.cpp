// SPDX-License-Identifier: MIT
#include "protocol/cli/manual.h"

#include "protocol/cli/words.h"

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace xk::manual {
namespace {

const char kMade[] = "# Made from the program's command line by its build.\n";

// `text` with a backslash before each character of `special`.
std::string escaped(std::string_view text, std::string_view special) {
    std::string out;
    for (const char c : text) {
        if (special.find(c) != special.npos)
            out += '\\';
        out += c;
    }
    return out;
}

// In single quotes, for a shell.
std::string quoted_for_shell(std::string_view text) {
    std::string out = "'";
    for (const char c : text)
        out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
    std::string out;
    for (const std::string& word : words)
        out += (out.empty() ? "" : std::string(between)) + word;
    return out;
}

std::string identifier(const Verb& verb, const std::string& program) {
    std::string name = "_" + program;
    for (const std::string& one : verb.path)
        name += "_" + one;
    std::ranges::replace(name, '-', '_');
    return name;
}

// All that may stand behind the verb: its verbs, its options, the values of a positional.
std::string words_behind(const Verb& verb) {
    std::vector<std::string> words;
    for (const CLI::App* below : verb.below)
        words.push_back(below->get_name());
    for (const Word& word : verb.words)
        for (const std::string& one : word.is_positional ? word.choices : word.names)
            words.push_back(one);
    return joined(words, " ");
}

std::string bash_values(const Verb& verb) {
    std::string out;
    for (const Word& word : verb.words) {
        if (word.is_positional || word.value == Value::none)
            continue;
        std::vector<std::string> patterns;
        for (const std::string& name : word.names)
            patterns.push_back((verb.path.empty() ? std::string("*") : quoted_for_shell(verb.name())) + "," + name);
        out += "\t" + joined(patterns, " | ") + ") " +
               (word.value == Value::choice ? "words=" + quoted_for_shell(joined(word.choices, " "))
                : word.value == Value::file ? "files=yes"
                                            : ":") +
               " ;;\n";
    }
    return out;
}

std::string zsh_value(const Word& word) {
    switch (word.value) {
    case Value::none:
        return "";
    case Value::file:
        return ":" + word.value_name + ":_files";
    case Value::choice:
        return ":" + word.value_name + ":(" + joined(word.choices, " ") + ")";
    case Value::text:
        break;
    }
    return ":" + word.value_name + ":";
}

std::string zsh_arguments(const Verb& verb) {
    std::string out;
    for (const Word& word : verb.words) {
        const std::string about = "[" + escaped(word.about, "[]:\\") + "]";
        if (word.is_positional) {
            const std::string value = word.value == Value::text ? ":" + word.names[0] + ":" : zsh_value(word);
            out += " \\\n\t\t" + quoted_for_shell((word.takes_many ? "*" : "") + value);
            continue;
        }
        for (const std::string& name : word.names)
            out += " \\\n\t\t" + quoted_for_shell((word.takes_many ? "*" : "") + name + about + zsh_value(word));
    }
    return out;
}

std::string zsh_verb(const Verb& verb, const std::string& program) {
    const std::string name = identifier(verb, program);
    std::string out = name + "() {\n";
    if (verb.below.empty())
        return out + "\t_arguments" + zsh_arguments(verb) + "\n}\n";
    out += "\tlocal line state\n\tlocal -a verbs=(\n";
    for (const CLI::App* below : verb.below)
        out += "\t\t" + quoted_for_shell(below->get_name() + ":" + escaped(below->get_description(), ":\\")) + "\n";
    out += "\t)\n\t_arguments -C" + zsh_arguments(verb) + " \\\n\t\t'1: :->verb' '*:: :->rest'\n\tcase $state in\n" +
           "\tverb) _describe verb verbs ;;\n\trest)\n\t\tcase $words[1] in\n";
    for (const CLI::App* below : verb.below) {
        Verb next = verb;
        next.path.push_back(below->get_name());
        out += "\t\t" + below->get_name() + ") " + identifier(next, program) + " ;;\n";
    }
    return out + "\t\tesac\n\t\t;;\n\tesac\n}\n";
}

std::string fish_seen(const Verb& verb) {
    std::vector<std::string> seen;
    for (const std::string& one : verb.path)
        seen.push_back("__fish_seen_subcommand_from " + one);
    return joined(seen, "; and ");
}

std::string fish_verbs(const Verb& verb, const std::string& program) {
    std::vector<std::string> names;
    for (const CLI::App* below : verb.below)
        names.push_back(below->get_name());
    const std::string where = verb.path.empty()
                                  ? "__fish_use_subcommand"
                                  : fish_seen(verb) + "; and not __fish_seen_subcommand_from " + joined(names, " ");
    std::string out;
    for (const CLI::App* below : verb.below)
        out += "complete -c " + program + " -n " + quoted_for_shell(where) + " -a " + below->get_name() + " -d " +
               quoted_for_shell(escaped(below->get_description(), "\\")) + "\n";
    return out;
}

std::string fish_options(const Verb& verb, const std::string& program) {
    std::string out;
    for (const Word& word : verb.words) {
        out += "complete -c " + program;
        if (!verb.path.empty())
            out += " -n " + quoted_for_shell(fish_seen(verb));
        if (!word.is_positional)
            for (const std::string& name : word.names)
                out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
        if (word.value == Value::choice)
            out += (word.is_positional ? " -a " : " -x -a ") + quoted_for_shell(joined(word.choices, " "));
        else if (word.value == Value::file)
            out += word.is_positional ? " -F" : " -r -F";
        else if (word.value == Value::text && !word.is_positional)
            out += " -x";
        out += " -d " + quoted_for_shell(escaped(word.about, "\\")) + "\n";
    }
    return out;
}

std::string markdown_text(std::string_view text) { return escaped(text, "\\*_`<[#"); }

std::string markdown_head(const Verb& verb, const std::string& program) {
    std::string head = "## " + markdown_text(program + (verb.path.empty() ? "" : " " + verb.name()));
    if (!verb.below.empty())
        head += " *VERB*";
    for (const Word& word : verb.words)
        if (word.is_positional) {
            const std::string name = "*" + markdown_text(word.names[0]) + "*" + (word.takes_many ? "..." : "");
            head += word.is_required ? " " + name : " \\[" + name + "]";
        }
    return head;
}

std::string markdown_option(const Word& word) {
    std::string out = "`" + joined(word.names, "`, `") + "`";
    if (word.value == Value::choice)
        out += " " + markdown_text(joined(word.choices, " | "));
    else if (word.value != Value::none)
        out += " *" + markdown_text(word.value_name) + "*";
    return out + "\n: " + markdown_text(word.about) + "\n\n";
}

} // namespace

std::string bash_completion(const CLI::App& app) {
    const std::string& program = app.get_name();
    std::string verbs, values, words;
    for (const Verb& verb : verbs_in(app)) {
        for (const CLI::App* below : verb.below)
            verbs += "\t\t" + quoted_for_shell(verb.name()) + "," + below->get_name() +
                     ") path=" + quoted_for_shell((verb.path.empty() ? "" : verb.name() + " ") + below->get_name()) +
                     " ;;\n";
        values += bash_values(verb);
        words += "\t\t" + quoted_for_shell(verb.name()) + ") words=" + quoted_for_shell(words_behind(verb)) + " ;;\n";
    }
    const std::string name = identifier({}, program);
    return kMade + name + "() {\n\tlocal path='' words='' files='' i current=${COMP_WORDS[COMP_CWORD]}\n" +
           "\tfor ((i = 1; i < COMP_CWORD; ++i)); do\n\t\tcase $path,${COMP_WORDS[i]} in\n" + verbs +
           "\t\tesac\n\tdone\n\tcase $path,${COMP_WORDS[COMP_CWORD - 1]} in\n" + values + "\t*)\n\t\tcase $path in\n" +
           words +
           "\t\tesac\n\t\t;;\n\tesac\n\tif [ -n \"$files\" ]; then\n\t\tmapfile -t COMPREPLY < <(compgen -f -- "
           "\"$current\")\n\telse\n\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n\tfi\n}\n"
           "complete -o filenames -F " +
           name + " " + program + "\n";
}

std::string zsh_completion(const CLI::App& app) {
    const std::string& program = app.get_name();
    std::string out = "#compdef " + program + "\n" + kMade;
    for (const Verb& verb : verbs_in(app))
        out += zsh_verb(verb, program);
    return out + identifier({}, program) + " \"$@\"\n";
}

std::string fish_completion(const CLI::App& app) {
    const std::string& program = app.get_name();
    std::string out = kMade + ("complete -c " + program + " -f\n");
    for (const Verb& verb : verbs_in(app))
        out += fish_verbs(verb, program) + fish_options(verb, program);
    return out;
}

std::string manual_head(const CLI::App& app) {
    const std::string& program = app.get_name();
    std::string out =
        "# NAME\n\n" + program + " - " + markdown_text(app.get_description()) + "\n\n# VERBS AND OPTIONS\n\n";
    for (const Verb& verb : verbs_in(app)) {
        out += markdown_head(verb, program) + "\n\n" + markdown_text(verb.about) + "\n\n";
        for (const Word& word : verb.words)
            if (!word.is_positional && word.names.back() != "--help")
                out += markdown_option(word);
    }
    return out;
}

int run(const CLI::App& app, int argc, char** argv) {
    const std::string_view what = argc == 2 ? argv[1] : "";
    const std::string text = what == "bash"     ? bash_completion(app)
                             : what == "zsh"    ? zsh_completion(app)
                             : what == "fish"   ? fish_completion(app)
                             : what == "manual" ? manual_head(app)
                                                : "";
    if (text.empty()) {
        std::fprintf(stderr, "usage: %s bash|zsh|fish|manual\n", argv[0]);
        return 2;
    }
    return std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0;
}

} // namespace xk::manual
