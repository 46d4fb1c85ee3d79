// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/import/report.h"

#include "protocol/base/quote.h"

#include <algorithm>

namespace xk::tools::takeover {
namespace {

constexpr std::pair<Fate, const char*> kChapters[] = {{Fate::taken, "Taken over"},
                                                      {Fate::no_equivalent, "No equivalent"},
                                                      {Fate::not_taken, "Not taken over"},
                                                      {Fate::not_understood, "Not understood"}};

std::string listed(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words)
        text += (text.empty() ? "" : ", ") + word;
    return text;
}

std::string modes_text(const config::UserFile& user) {
    std::vector<std::string> modes;
    for (const authz::KnockMode mode : user.modes)
        modes.emplace_back(authz::kKnockModeNames[static_cast<std::size_t>(mode)]);
    return listed(modes);
}

bool needs_profile(const OldDevice& device) { return device.device.kind == authz::DeviceKind::xknock; }

std::string padded(std::string text, std::size_t width) {
    text.resize(std::max(text.size(), width), ' ');
    return text;
}

std::string rows_text(const std::vector<Row>& rows) {
    std::string text;
    for (const auto& [fate, title] : kChapters) {
        std::string chapter;
        for (const Row& row : rows)
            if (row.fate == fate)
                chapter += "  " + padded(row.line == 0 ? "-" : "line " + std::to_string(row.line), 9) + " " +
                           padded(as_line(row.what), 24) + " " + as_line(row.why) + "\n";
        if (!chapter.empty())
            text += std::string(title) + ":\n" + chapter;
    }
    return text;
}

// With what the readers said themselves.
std::vector<std::string> next_steps(const ImportReport& report, const Plan& plan, const ImportOptions& options) {
    std::vector<std::string> next;
    for (const OldDevice& device : plan.server.devices)
        if (needs_profile(device))
            next.push_back("knockctl user profile " + device.user.name + "/" + device.device.device +
                           " --host NAME-OF-THIS-HOST, for the person's knock-client");
    next.insert(next.end(), plan.server.next.begin(), plan.server.next.end());
    if (report.wrote && !report.reloaded)
        next.emplace_back("xknockd was not told: it reads this when it starts, or by \"knockctl reload\"");
    if (!plan.server.devices.empty())
        next.push_back("when all have knocked here (knockctl users), stop " + options.kind +
                       "'s server and remove its file");
    return next;
}

} // namespace

nlohmann::json json_of(const ImportReport& report, const Plan& plan, const ImportOptions& options) {
    nlohmann::json users = nlohmann::json::array(), rows = nlohmann::json::array(), services = nlohmann::json::array();
    for (const OldDevice& device : plan.server.devices)
        users.push_back({{"user", device.user.name},
                         {"device", device.device.device},
                         {"line", device.line},
                         {"services", device.user.services},
                         {"modes", modes_text(device.user)}});
    for (const Row& row : plan.server.rows)
        rows.push_back({{"line", row.line}, {"what", row.what}, {"outcome", name_of(row.fate)}, {"why", row.why}});
    for (const auto& [name, port] : plan.additions.services)
        services.push_back({{"service", name}, {"port", port.text()}});
    return {{"kind", options.kind},
            {"file", options.file},
            {"dry_run", options.dry_run},
            {"users", users},
            {"new_services", services},
            {"rows", rows},
            {"files", report.files},
            {"warnings", report.warnings},
            {"written", report.wrote},
            {"reloaded", report.reloaded},
            {"next", next_steps(report, plan, options)}};
}

std::string text_of(const ImportReport& report, const Plan& plan, const ImportOptions& options) {
    std::string text = rows_text(plan.server.rows);
    if (!plan.server.devices.empty())
        text += "Users:\n";
    for (const OldDevice& device : plan.server.devices)
        text += "  " + padded(device.user.name + "/" + device.device.device, 34) + " services " +
                listed(device.user.services) + "; modes " + modes_text(device.user) + "\n";
    if (!plan.additions.services.empty())
        text += "New services, whose ports are shut to everybody without a grant:\n";
    for (const auto& [name, port] : plan.additions.services)
        text += "  " + padded(name, 34) + " " + port.text() + "\n";
    for (const std::string& file : report.files)
        text += "wrote " + as_line(file) + "\n";
    for (const std::string& warning : report.warnings)
        text += "warning: " + as_line(warning) + "\n";
    const auto next = next_steps(report, plan, options);
    if (!next.empty())
        text += "Next:\n";
    for (const std::string& step : next)
        text += "  " + as_line(step) + "\n";
    if (options.dry_run)
        text += "nothing was written (--dry-run)\n";
    return text;
}

} // namespace xk::tools::takeover
