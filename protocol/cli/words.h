// SPDX-License-Identifier: MIT
//
// A command line as a list of verbs with their words: what every form of a manual is made from.
#pragma once

#include <CLI/App.hpp>

#include <string>
#include <vector>

namespace xk::manual {

enum class Value { none, text, file, choice };

struct Word {
    std::vector<std::string> names; // "-v", "--verbose"; of a positional its name alone
    std::string about;
    Value value = Value::none;
    std::string value_name; // "TIME"
    std::vector<std::string> choices;
    bool is_positional = false, is_required = false, takes_many = false;
};

struct Verb {
    std::vector<std::string> path; // {"clock", "accept"}; empty: the program itself
    std::string about;
    std::vector<Word> words;
    std::vector<const CLI::App*> below; // its own verbs, in their order

    std::string name() const; // "clock accept"
};

// The program itself first, and every verb behind the one that it belongs to.
std::vector<Verb> verbs_in(const CLI::App& app);

} // namespace xk::manual
