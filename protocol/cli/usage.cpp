// SPDX-License-Identifier: MIT
#include "protocol/cli/usage.h"

#include "protocol/base/nearest.h"
#include "protocol/base/quote.h"

#include <cstdio>
#include <set>
#include <string>
#include <vector>

namespace xk {
namespace {

// The verb that was read last: "clock accept" is the accept of clock.
const CLI::App& last_verb(const CLI::App& app) {
    const auto verbs = app.get_subcommands();
    return verbs.empty() ? app : last_verb(*verbs.back());
}

std::set<std::string> verbs_of(const CLI::App& app) {
    std::set<std::string> names;
    for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
        names.insert(verb->get_name());
    return names;
}

// With those of the verbs above, because global options may stand behind the verb.
void add_options_of(const CLI::App& app, std::set<std::string>& names) {
    for (const CLI::Option* option : app.get_options([](const CLI::Option*) { return true; }))
        for (const std::string& name : option->get_lnames())
            names.insert("--" + name);
    if (app.get_parent() != nullptr)
        add_options_of(*app.get_parent(), names);
}

std::string command_of(const CLI::App& app) {
    return app.get_parent() == nullptr ? app.get_name() : command_of(*app.get_parent()) + " " + app.get_name();
}

std::vector<std::string> unread(const CLI::App& app, const CLI::App& verb) {
    std::vector<std::string> words = verb.remaining();
    if (&app != &verb)
        for (std::string& word : app.remaining())
            words.push_back(std::move(word));
    return words;
}

} // namespace

Error usage_error(const CLI::App& app, const CLI::ParseError& fault) {
    const CLI::App& verb = last_verb(app);
    const auto verbs = verbs_of(verb);
    const auto words = unread(app, verb);
    const std::string help = command_of(verb) + " --help";
    const auto hint = [&](const std::string& near) { return near.empty() ? help : near; };
    for (const std::string& word : words) {
        if (word.size() > 1 && word.front() == '-') {
            std::set<std::string> options;
            add_options_of(verb, options);
            const std::string name = word.substr(0, word.find('='));
            if (options.contains(name))
                continue;
            return Error{in_quotes(command_of(verb)) + " has no option " + in_quotes(name),
                         hint(did_you_mean(name, options)), Exit::usage};
        }
        if (!verbs.empty())
            return Error{in_quotes(command_of(verb)) + " has no verb " + in_quotes(word),
                         hint(did_you_mean(word, verbs)), Exit::usage};
    }
    if (!verbs.empty())
        return Error{"a verb is missing behind " + in_quotes(command_of(verb)), help, Exit::usage};
    if (!words.empty())
        return Error{in_quotes(words.front()) + " is one word too many", help, Exit::usage};
    return Error{fault.what(), help, Exit::usage};
}

int finish_usage(const CLI::App& app, const char* program, const CLI::ParseError& fault) {
    if (fault.get_exit_code() == 0) // --help, --version
        return app.exit(fault);
    const Error error = usage_error(app, fault);
    std::fprintf(stderr, "%s: %s\n  hint: %s\n", program, error.message.c_str(), error.hint.c_str());
    return static_cast<int>(Exit::usage);
}

} // namespace xk
