// SPDX-License-Identifier: MIT
//
// The command line of "knockctl user VERB", and of "keygen", which is another name of "user add".
#pragma once

#include "tools/knockctl/host_verbs.h"

#include <CLI/CLI.hpp>

#include <functional>

namespace xk::tools {

class UserCommandLine {
  public:
    // `run`: called with the function of the verb that was chosen. All parts must outlive this object.
    UserCommandLine(const HostVerbs& host, Control& control, std::string& config_file,
                    std::function<void(std::function<int()>)> run)
        : host_(host), control_(control), config_file_(config_file), run_(std::move(run)) {}

    void add_to(CLI::App& app);

  private:
    CLI::App* add_verb(CLI::App& parent, const char* name, const char* description, UserVerb verb);
    void add_who(CLI::App* sub, const char* description);
    void add_add(CLI::App& parent, const char* name, const char* description);
    void add_profile_options(CLI::App* sub);
    void add_picture_options(CLI::App* sub);
    void add_looking(CLI::App& user);
    void add_changing(CLI::App& user);
    void add_secrets(CLI::App& user);
    void add_unlock(CLI::App& user);

    const HostVerbs& host_;
    Control& control_;
    std::string& config_file_;
    std::function<void(std::function<int()>)> run_;
    UserOptions options_;
    std::string unlocked_;
};

// "knockctl unlock", and "knockctl user unlock".
int unlock(const Control& control, const std::string& who);

} // namespace xk::tools
