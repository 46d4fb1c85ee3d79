// SPDX-License-Identifier: MIT
//
// What the shells and the manual page say of a program, made from its command line, so that neither can be out of date.
// Only the build runs this.
#pragma once

#include <CLI/App.hpp>

#include <string>

namespace xk::manual {

std::string bash_completion(const CLI::App& app);
std::string zsh_completion(const CLI::App& app);
std::string fish_completion(const CLI::App& app);

// The begin of the manual page in Markdown: the name, and each verb with its options. Hidden ones (of group "") are
// left out everywhere.
std::string manual_head(const CLI::App& app);

// The main function of a program's generator: PROGRAM bash|zsh|fish|manual.
int run(const CLI::App& app, int argc, char** argv);

} // namespace xk::manual
