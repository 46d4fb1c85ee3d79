// SPDX-License-Identifier: MIT
// "knockctl user add": makes the server's files and the client's profile of a device together, so that nobody writes
// them by hand. Secrets are made here, written once to files that only their readers can read, and shown only as the QR
// code of a TOTP or HOTP secret.
#include "daemon/config/machines.h"
#include "protocol/base/directory.h"
#include "protocol/base/nearest.h"
#include "protocol/base/quote.h"
#include "protocol/encoding.h"
#include "protocol/service.h"
#include "tools/knockctl/host/users/delivery.h"
#include "tools/knockctl/host/users/hosts.h"
#include "tools/knockctl/host/users/identity_begin.h"
#include "tools/knockctl/host/users/profile_text.h"
#include "tools/knockctl/host/users/secrets.h"
#include "tools/knockctl/host/users/verbs.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace xk::tools {
namespace {

constexpr std::string_view kUserHead = "# Rights of one user; docs/configuration.md describes every key.\n";
constexpr std::string_view kUserTail =
    "# lifetime: 30s      # of a grant, when the client asks for none, instead of the service's own\n"
    "# max_lifetime: 1h\n"
    "# binding: any       # the packet's source may stand for a client behind NAT\n";

// One enrolment.
class Adding {
  public:
    Adding(const UserOptions& options, const DaemonLink& link)
        : options_(options), link_(link), directory_(config::directory_of(options.config_file)) {}
    Result<Report> run();

  private:
    Result<void> read_options();
    Result<void> load();
    Result<void> find_user();
    Result<void> choose_services();
    Result<void> make_secrets();
    Result<void> prepare_files();
    Result<void> check_files();
    std::string stem() const { return directory_ + "/credentials/" + device_.user + "." + device_.device; }

    const UserOptions& options_;
    const DaemonLink& link_;
    std::string directory_;
    NewIdentity identity_; // outlives the change, which is undone first
    std::optional<Change> change_;
    std::optional<Delivery> delivery_;
    std::optional<config::Config> config_;
    config::CredentialFile device_;
    config::UserFile user_;
    bool is_new_user_ = false;
    std::vector<std::string> notes_;
    DeviceSecrets secrets_;
};

// Everything that can be said without a look at a file.
Result<void> Adding::read_options() {
    device_.user = options_.who;
    device_.device = options_.device.empty() ? "main" : options_.device;
    if (auto good = check_name(device_.user, "user"); !good)
        return good;
    if (auto good = check_name(device_.device, "device"); !good)
        return good;
    const auto factor = factor_of(options_);
    if (!factor)
        return factor.error();
    device_.factor = *factor;
    if (!options_.digits.empty() && options_.digits != "6" && options_.digits != "8")
        return Error{"--digits " + in_quotes(options_.digits) + ": a code has 6 or 8 digits",
                     "--digits 6, as most "
                     "authenticators have it",
                     Exit::usage};
    if (has_codes(device_.factor))
        device_.digits = options_.digits == "8" ? 8 : 6;
    if (!options_.same_code_as.empty() && device_.factor != FactorKind::totp)
        return Error{"--same-code-as is for factor totp", "the codes of another factor serve one server only",
                     Exit::usage};
    if (auto good = check_hosts(options_.hosts, options_.server); !good)
        return good;
    device_.hosts = options_.hosts;
    if (!options_.server.empty())
        device_.server = options_.server;
    device_.id = random_bytes<wire::kCredentialIdSize>();
    auto delivery = Delivery::plan(options_, device_);
    if (!delivery)
        return delivery.error();
    delivery_.emplace(*std::move(delivery));
    return {};
}

// The identity is made with the first device: a configuration without one cannot be read.
Result<void> Adding::load() {
    auto change = Change::begin(directory_);
    if (!change)
        return change.error();
    change_.emplace(*std::move(change));
    const bool is_new = ::access((directory_ + "/server_id").c_str(), F_OK) != 0;
    auto config =
        config::load_main(options_.config_file, is_new ? config::Identity::absent : config::Identity::required);
    if (config && is_new) {
        if (auto made = identity_.make(directory_, *config); !made)
            return made;
        notes_.push_back("made this server's identity, " + directory_ + "/server_id");
        config = config::load_main(options_.config_file);
    }
    if (!config)
        return config.error();
    config_ = *std::move(config);
    return {};
}

Result<void> Adding::find_user() {
    auto known = find_known_person(directory_, device_.user, Devices::usual);
    if (!known)
        return known.error();
    is_new_user_ = !*known;
    if (is_new_user_)
        return choose_services();
    user_ = (*known)->file;
    if (!options_.services.empty())
        notes_.push_back("user " + device_.user + " exists: their services stay as they are (knockctl user set " +
                         device_.user + " services=...)");
    for (const DeviceFiles& device : (*known)->devices)
        if (device.file.device == device_.device)
            return Error{"device " + in_quotes(device.label()) + " exists",
                         "knockctl user rotate makes new secrets for it, knockctl user remove removes it; or name "
                         "another device: --device NAME"};
    return {};
}

Result<void> Adding::choose_services() {
    user_.name = device_.user;
    user_.services = {std::string(kAllServices)};
    if (options_.services.empty() || options_.services == user_.services)
        return {};
    user_.services = options_.services;
    std::set<std::string> names;
    for (const authz::Service& service : config_->policy.services)
        names.emplace(service.name.view());
    for (const std::string& wanted : options_.services) {
        const auto meant = nearest(wanted, names);
        if (wanted == kAllServices)
            return Error{"--service all stands alone, without other services", {}, Exit::usage};
        if (!names.contains(wanted))
            return Error{"there is no service " + in_quotes(wanted),
                         meant ? "did you mean " + in_quotes(*meant) + "?"
                               : "services are named in " + options_.config_file,
                         Exit::usage};
    }
    return {};
}

// A file of another user may have the name: "a.b" with device "c", and "a" with device "b.c".
Result<void> Adding::check_files() {
    for (const char* end : {".yaml", ".key", ".otp"}) {
        struct stat st {};
        if (const std::string path = stem() + end; ::lstat(path.c_str(), &st) == 0)
            return Error{in_quotes(path) + " exists, and is not of a device " +
                             in_quotes(device_.user + "/" + device_.device),
                         "look at it, and remove it if nobody needs it, or name another device: --device NAME"};
    }
    return {};
}

Result<void> Adding::make_secrets() {
    make_key(secrets_);
    make_factor(secrets_, device_.factor);
    if (options_.same_code_as.empty())
        return {};
    auto shared = read_shared_code(*config_, directory_, options_.same_code_as);
    if (!shared)
        return shared.error();
    if (shared->other) {
        const unsigned digits = shared->other->file.digits.value_or(6);
        if (!options_.digits.empty() && digits != *device_.digits)
            return Error{"the code of " + shared->other->label() + " has " + std::to_string(digits) + " digits",
                         "leave --digits out", Exit::usage};
        device_.digits = digits;
    }
    secrets_.factor = std::move(shared->secret);
    notes_.push_back("this device has the code's secret of " +
                     (shared->other ? shared->other->label() : std::string("another one")) +
                     ": whoever has seen a code for one of them can use it at the other, as long as it is good, and a "
                     "secret that is lost is lost for both");
    return {};
}

// The secrets come first, and the .yaml that names them last: the daemon looks for .yaml files only.
Result<void> Adding::prepare_files() {
    if (auto done = create_directory(directory_ + "/users", 0755, {}, {}); !done)
        return done;
    const gid_t group = config_->account.gid;
    if (auto done = create_directory(directory_ + "/credentials", 0750, {}, group); !done)
        return done;
    if (auto done = change_->create(stem() + ".key", key_text(secrets_).view(), 0640, group); !done)
        return done;
    if (device_.factor != FactorKind::none)
        if (auto done = change_->create(stem() + ".otp", factor_text(secrets_, device_.factor).view(), 0640, group);
            !done)
            return done;
    if (is_new_user_) {
        auto text = config::user_file_text(user_, kUserHead);
        if (!text)
            return text.error();
        if (auto done =
                change_->create(directory_ + "/users/" + user_.name + ".yaml", *text + std::string(kUserTail), 0644);
            !done)
            return done;
    }
    const auto text = config::credential_file_text(device_);
    return text ? change_->create(stem() + ".yaml", *text, 0644) : Result<void>(text.error());
}

Result<Report> Adding::run() {
    using Step = Result<void> (Adding::*)();
    for (const Step step : {&Adding::read_options, &Adding::load, &Adding::find_user, &Adding::check_files,
                            &Adding::make_secrets, &Adding::prepare_files})
        if (auto done = (this->*step)(); !done)
            return done.error();
    Report report;
    const auto profile = profile_text(*config_, user_, device_, secrets_);
    if (!profile)
        return profile.error();
    if (auto done = delivery_->deliver(*change_, device_, *profile, false); !done)
        return done.error();
    if (has_codes(device_.factor))
        if (auto done = add_code(report, options_, device_, secrets_.factor_bytes(), &*change_); !done)
            return done.error();
    std::vector<std::string> files = change_->written();
    const auto told = carry_out(*change_, link_, {device_.user}, "device " + device_.device + " added");
    if (!told)
        return told.error();
    const std::vector<std::string> made = identity_.keep();
    files.insert(files.begin(), made.begin(), made.end());
    report.data.update({{"user", device_.user}, {"device", device_.device}, {"notes", notes_}});
    for (const std::string& note : notes_)
        report.text += as_line(note) + "\n";
    std::string delivered;
    delivery_->report(report.data, delivered);
    if (const std::string profile_file = report.data.value("profile", "");
        !profile_file.empty() && std::ranges::find(files, profile_file) == files.end())
        files.push_back(profile_file); // in the spool
    report.data["files"] = files;
    for (const std::string& file : files)
        report.text += "wrote " + as_line(file) + "\n";
    if (report.data.contains("bundle"))
        report.text += "\n" + delivered;
    report.after = "\nNext: " + delivery_->next(device_) + "\n";
    tell(report, *told);
    return report;
}

} // namespace

Result<Report> add_device(const UserOptions& options, const DaemonLink& link) { return Adding(options, link).run(); }

} // namespace xk::tools
