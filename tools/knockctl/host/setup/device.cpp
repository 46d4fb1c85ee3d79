// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/setup/device.h"

#include "daemon/config/config.h"
#include "daemon/config/machines.h"
#include "protocol/base/directory.h"
#include "protocol/base/entries.h"
#include "protocol/request.h"
#include "tools/knockctl/host/setup/leftovers.h"
#include "tools/knockctl/host/setup/words.h"
#include "tools/knockctl/host/spool.h"
#include "tools/knockctl/host/users/verbs.h"

#include <algorithm>

namespace xk::tools::setup {
namespace {

Result<bool> has_device(const std::string& directory, const Answers& answers) {
    const auto person = find_known_person(directory, answers.user, Devices::usual);
    if (!person)
        return person.error();
    return *person && std::ranges::any_of((*person)->devices, [&](const DeviceFiles& device) {
        return device.file.device == answers.device;
    });
}

// Whether a device is left, whose profile would have to follow another identity.
bool has_devices(const std::string& directory) {
    std::error_code code;
    return std::ranges::any_of(entries_of(directory + "/credentials", code),
                               [](const auto& entry) { return entry.path().extension() == ".yaml"; });
}

// What was cut beside the change of the files: temporary files, and an identity without the first copy of the state,
// with which the first start would refuse knocks for a while.
Result<void> take_back_cut(const std::string& config_file, const std::string& directory, const Answers& answers) {
    const bool has_identity = is_there(directory + "/server_id");
    const auto config =
        config::load_main(config_file, has_identity ? config::Identity::required : config::Identity::absent);
    if (!config)
        return config.error();
    for (const std::string& place : {std::string(kSpool) + "/" + answers.login, config->state_directory})
        if (auto clean = remove_leftovers(place); !clean)
            return clean;
    if (!has_identity || has_devices(directory) || is_there(config->state_directory + "/state"))
        return {};
    for (const char* file : {"/server_id", "/machines"})
        if (auto gone = remove_file(directory + file, true); !gone)
            return gone;
    return {};
}

// An identity whose enrolment was cut off may not say yet which machine carries it.
void name_machine(const std::string& directory) {
    const auto id = config::read_server_id(directory);
    const auto carrier = id ? config::find_carrier(directory, *id) : Result<config::Carrier>(id.error());
    if (carrier && *carrier == config::Carrier::unnamed)
        (void)config::name_carrier(directory, *id, true); // the doctor says so where it fails
}

UserOptions options_for(const std::string& config_file, const Answers& answers, const std::string& profile_file) {
    UserOptions options;
    options.verb = UserVerb::add;
    options.config_file = config_file;
    options.who = answers.user;
    options.device = answers.device;
    options.factor = std::string(name_of(answers.factor));
    options.hosts = answers.hosts;
    options.profile_file = profile_file;
    if (profile_file.empty())
        options.login = answers.login;
    return options;
}

} // namespace

Result<EnrolledDevice> enrol_first_device(const std::string& config_file, const Answers& answers,
                                          const std::string& profile_file) {
    const std::string directory = config::directory_of(config_file);
    if (const auto settled = Change::begin(directory); !settled) // one that was cut is completed or undone
        return settled.error();
    const auto known = has_device(directory, answers);
    if (!known)
        return known.error();
    EnrolledDevice done;
    if (*known) {
        name_machine(directory);
        return done;
    }
    if (auto back = take_back_cut(config_file, directory, answers); !back)
        return back.error();
    const UserOptions options = options_for(config_file, answers, profile_file);
    const auto report = add_device(options, DaemonLink(options, Control()));
    if (!report)
        return report.error();
    done.is_new = true;
    done.profile = profile_file.empty() ? spool_path(kSpool, answers.login, answers.device) : profile_file;
    done.written = report->data.at("files").get<std::vector<std::string>>();
    return done;
}

bool waits_in_spool(const std::string& login, const std::string& device) {
    return is_there(spool_path(kSpool, login, device));
}

} // namespace xk::tools::setup
