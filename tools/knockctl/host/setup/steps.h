// SPDX-License-Identifier: MIT
//
// The steps of the set-up, in their order.
#pragma once

#include "daemon/config/config.h"
#include "tools/knockctl/control.h"
#include "tools/knockctl/host/setup/answers.h"
#include "tools/knockctl/host/setup/console.h"
#include "tools/knockctl/host/setup/device.h"
#include "tools/knockctl/host/setup/questions.h"
#include "tools/knockctl/setup_options.h"

#include <nlohmann/json.hpp>

#include <array>
#include <optional>

namespace xk::tools::setup {

class Steps {
  public:
    Steps(Console& console, const SetupOptions& options, Control control)
        : console_(console), options_(options), control_(std::move(control)) {}

    Result<void> run();
    // What was done, for --json.
    const nlohmann::json& report() const { return report_; }
    // What is there after a step failed or was stopped, and how to go on.
    std::string what_stays() const;

  private:
    bool wants(const char* step) const { return options_.only.empty() || options_.only == step; }
    Result<void> read_existing();
    Result<void> decide_about_existing();
    Result<void> ask_all();
    Result<void> weigh(const std::string& text);
    Result<void> confirm_summary();
    Result<void> configure();
    Result<void> enrol();
    Result<void> show_code();
    Result<void> tell_client();
    Result<void> wait_until_fetched();
    Result<void> start();
    Result<void> start_trial();
    Result<void> start_for_good();
    Result<void> check_way_back() const;
    Result<void> watch();
    Result<void> stay();
    KnownDevice known_device() const;
    bool is_allowed_caller() const;
    bool is_enrolled() const; // the device of the answers

    Console& console_;
    const SetupOptions& options_;
    Control control_;
    Surroundings around_;
    Answers answers_;
    std::optional<config::Config> config_; // what is there, or what is to be written
    EnrolledDevice device_;
    bool keeps_ = false; // the configuration that is there
    bool wrote_ = false, enrolled_ = false, trial_ = false;
    nlohmann::json report_ = nlohmann::json::object();
};

// The steps that can be asked for alone.
inline constexpr std::array kSteps = {"look", "config", "device", "code", "client", "trial"};

} // namespace xk::tools::setup
