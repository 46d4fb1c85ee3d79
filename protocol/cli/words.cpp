// SPDX-License-Identifier: MIT
#include "protocol/cli/words.h"

#include <utility>

namespace xk::manual {
namespace {

// What IsMember tells of itself is a part of the type's name: "TEXT:{totp,hotp}".
std::vector<std::string> choices_in(const std::string& type) {
    std::vector<std::string> choices;
    const auto begin = type.find('{'), end = type.rfind('}');
    if (begin == type.npos || end == type.npos)
        return choices;
    std::string one;
    for (const char c : type.substr(begin + 1, end - begin - 1)) {
        if (c == ',')
            choices.push_back(std::exchange(one, {}));
        else if (c != ' ')
            one += c;
    }
    choices.push_back(one);
    return choices;
}

// Which options are files is not known to the command line's library; our names for them are these.
bool names_file(const CLI::Option& option) {
    for (const std::string& name : option.get_lnames())
        if (name == "config" || name == "out" || name == "socket" || name == "profile" || name == "profiles" ||
            name == "file" || name == "qr" || name == "png" || name == "svg" || name == "identity")
            return true;
    return option.get_name() == "file" || option.get_name() == "FILE";
}

Word word_of(const CLI::Option& option) {
    Word word;
    word.is_positional = option.get_positional();
    for (const std::string& name : option.get_snames())
        word.names.push_back("-" + name);
    for (const std::string& name : option.get_lnames())
        word.names.push_back("--" + name);
    if (word.names.empty())
        word.names.push_back(option.get_name());
    word.about = option.get_description();
    word.is_required = option.get_required();
    word.takes_many = option.get_items_expected_max() > 1;
    if (option.get_items_expected_max() > 0) {
        word.choices = choices_in(option.get_type_name());
        word.value = !word.choices.empty() ? Value::choice : names_file(option) ? Value::file : Value::text;
        word.value_name = option.get_type_name().substr(0, option.get_type_name().find_first_of(":{ "));
        if (word.value_name.empty())
            word.value_name = "TEXT";
    }
    return word;
}

void add_verbs(const CLI::App& app, std::vector<std::string> path, std::vector<Verb>& all) {
    Verb verb;
    verb.path = path;
    verb.about = app.get_description();
    for (const CLI::Option* option : app.get_options([](const CLI::Option* o) { return !o->get_group().empty(); }))
        verb.words.push_back(word_of(*option));
    verb.below = app.get_subcommands([](const CLI::App* sub) { return !sub->get_group().empty(); });
    all.push_back(verb);
    for (const CLI::App* below : verb.below) {
        path.push_back(below->get_name());
        add_verbs(*below, path, all);
        path.pop_back();
    }
}

} // namespace

std::string Verb::name() const {
    std::string name;
    for (const std::string& one : path)
        name += (name.empty() ? "" : " ") + one;
    return name;
}

std::vector<Verb> verbs_in(const CLI::App& app) {
    std::vector<Verb> all;
    add_verbs(app, {}, all);
    return all;
}

} // namespace xk::manual
