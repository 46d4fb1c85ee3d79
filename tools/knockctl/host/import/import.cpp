// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/import/import.h"

#include "daemon/config/legacy_secret.h"
#include "daemon/config/machines.h"
#include "daemon/config/secret_file.h"
#include "daemon/xdp/own_addresses.h"
#include "protocol/base/directory.h"
#include "protocol/base/nearest.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"
#include "tools/knockctl/host/import/lines.h"
#include "tools/knockctl/host/import/plan.h"
#include "tools/knockctl/host/import/report.h"
#include "tools/knockctl/host/users/identity_begin.h"
#include "tools/knockctl/host/users/secrets.h"
#include "tools/knockctl/host/users/verbs.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iostream>

namespace xk::tools {
namespace {

using takeover::OldDevice;
using takeover::OldServer;
using takeover::Plan;

constexpr std::string_view kImportedHead =
    "# Rights of one user, taken over by \"knockctl import\"; docs/configuration.md "
    "describes every key.\n";

struct Kind {
    std::string_view name;
    Result<OldServer> (*read)(std::string_view text, const std::string& file);
};
constexpr Kind kKinds[] = {{"capyknock", takeover::read_capyknock_server},
                           {"c-lock", takeover::read_c_lock_server},
                           {"hknock", takeover::read_hknock},
                           {"fwknop", takeover::read_access_conf},
                           {"knockd", takeover::read_knockd_conf}};

Result<const Kind*> find_kind(const std::string& name) {
    std::set<std::string> names;
    for (const Kind& kind : kKinds) {
        if (kind.name == name)
            return &kind;
        names.emplace(kind.name);
    }
    if (name == "cryptknock")
        return Error{
            "nothing of cryptknock can be taken over: it has no users, and its key of 64 bits can be found out",
            "give each person a device: knockctl user add NAME (docs/migrating.md)", Exit::usage};
    const auto meant = nearest(name, names);
    return Error{in_quotes(name) + " is no server that can be taken over",
                 meant ? "did you mean " + in_quotes(*meant) + "?" : "capyknock, c-lock, hknock, fwknop, knockd",
                 Exit::usage};
}

// Reads a secret as the worker will read its file.
Result<void> check_secret(const OldDevice& device, std::string_view text, bool is_factor) {
    const Fd fd(::memfd_create("secret", MFD_CLOEXEC));
    if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::lseek(fd.get(), 0, SEEK_SET) != 0)
        return os_error("checking a secret");
    if (is_factor) {
        Secret<authz::FactorSecret> factor;
        if (!config::read_factor_file(fd, device.device.factor, *factor))
            return Error{"it is no secret of a code", {}};
        return {};
    }
    Secret<authz::LegacySecret> secret;
    return config::read_legacy_secret(fd, device.device.kind, *secret);
}

// Leaves out devices whose secrets the daemon would refuse.
void check_secrets(OldServer& server) {
    std::erase_if(server.devices, [&](const OldDevice& device) {
        Result<void> good;
        if (!device.key.empty())
            good = check_secret(device, device.key.view(), false);
        if (good && !device.factor.empty())
            good = check_secret(device, device.factor.view(), true);
        if (!good)
            server.leave_out_lines(device.line, device.line + 1);
        if (!good)
            server.add(device.line, device.title, takeover::Fate::not_taken, good.error().message);
        return !good;
    });
}

// One import.
class Import {
  public:
    Import(const ImportOptions& options, const Control& control)
        : options_(options), directory_(config::directory_of(options.config_file)), link_(link_options(), control) {}

    Result<void> read();
    Result<void> plan();
    Result<void> ask() const;
    Result<void> carry_out_plan();
    takeover::ImportReport& report() { return report_; }
    const Plan& planned() const { return *plan_; }

  private:
    UserOptions link_options() const {
        UserOptions options;
        options.config_file = options_.config_file;
        options.socket_is_given = options_.socket_is_given;
        options.no_reload = options_.no_reload;
        return options;
    }
    bool is_new() const { return ::access((directory_ + "/server_id").c_str(), F_OK) != 0; }
    Result<void> make_identity();
    Result<void> prepare_main();
    Result<void> prepare_device(OldDevice device);
    Result<void> prepare();

    const ImportOptions& options_;
    std::string directory_;
    DaemonLink link_;
    NewIdentity identity_; // outlives the change, which is undone first
    std::optional<Change> change_;
    OldServer server_;
    std::optional<config::Config> config_;
    std::optional<Plan> plan_;
    takeover::ImportReport report_;
};

Result<void> Import::read() {
    const auto kind = find_kind(options_.kind);
    if (!kind)
        return kind.error();
    const auto source = takeover::read_source(options_.file);
    if (!source)
        return source.error();
    auto server = (*kind)->read(source->text.view(), options_.file);
    if (!server)
        return server.error();
    server_ = *std::move(server);
    check_secrets(server_);
    if (source->others_can_read)
        report_.warnings.push_back(options_.file + " has secrets, and everybody here can read it: chmod 600 " +
                                   options_.file + ", and think about new ones (knockctl user rotate)");
    return {};
}

Result<void> Import::plan() {
    auto config =
        config::load_config(options_.config_file, is_new() ? config::Identity::absent : config::Identity::required,
                            config::UserFaults::disable);
    if (!config)
        return config.error();
    config_ = *std::move(config);
    const auto addresses = xdp::OwnAddresses::open();
    auto plan = takeover::make_plan(server_, *config_, options_, addresses ? addresses->all() : std::set<Address>());
    if (!plan)
        return plan.error();
    plan_ = *std::move(plan);
    if (plan_->exists.empty())
        return {};
    std::string all;
    for (const std::string& one : plan_->exists)
        all += (all.empty() ? "" : "; ") + one;
    return Error{"there is already " + all + "; nothing was written",
                 "what is here is never changed by an import: remove or rename it (knockctl user rename), or take the "
                 "entry out of a copy of the file; --user names somebody who has no name in the file"};
}

Result<void> Import::ask() const {
    if (plan_->additions.services.empty() || options_.yes)
        return {};
    const std::string what = "new services shut their ports to everybody who has no grant: " + plan_->what_shuts();
    if (::isatty(STDIN_FILENO) == 0)
        return Error{what + "; nobody can be asked, and nothing was written", "be sure: --yes", Exit::usage};
    std::cerr << as_line(what) << "\nGo on? [y/N] " << std::flush;
    std::string answer;
    if (!std::getline(std::cin, answer) || (answer != "y" && answer != "yes"))
        return Error{"nothing was written", {}};
    return {};
}

Result<void> Import::make_identity() {
    if (!is_new())
        return {};
    const auto config = config::load_main(options_.config_file, config::Identity::absent);
    return config ? identity_.make(directory_, *config) : Result<void>(config.error());
}

Result<void> Import::prepare_main() {
    if (plan_->additions.empty())
        return {};
    const auto text = read_checked(options_.config_file, {});
    if (!text)
        return text.error();
    const auto changed = takeover::add_to_main(*text, options_.config_file, *config_, plan_->additions);
    if (!changed)
        return changed.error();
    report_.files.push_back(options_.config_file);
    return change_->replace(options_.config_file, *text, *changed);
}

// The secrets come before the .yaml that names them.
Result<void> Import::prepare_device(OldDevice device) {
    device.device.id = random_bytes<wire::kCredentialIdSize>();
    DeviceSecrets made;
    if (device.key.empty()) {
        make_key(made);
        device.key = key_text(made);
    }
    const gid_t group = config_->account.gid;
    const std::string stem = directory_ + "/credentials/" + device.device.user + "." + device.device.device;
    const auto user = config::user_file_text(device.user, kImportedHead);
    const auto credential = config::credential_file_text(device.device);
    if (!user || !credential)
        return (user ? credential.error() : user.error());
    if (auto done = change_->create(directory_ + "/users/" + device.user.name + ".yaml", *user, 0644); !done)
        return done;
    if (auto done = change_->create(stem + ".key", device.key.view(), 0640, group); !done)
        return done;
    if (!device.factor.empty())
        if (auto done = change_->create(stem + ".otp", device.factor.view(), 0640, group); !done)
            return done;
    return change_->create(stem + ".yaml", *credential, 0644);
}

Result<void> Import::prepare() {
    if (auto done = create_directory(directory_ + "/users", 0755, {}, {}); !done)
        return done;
    if (auto done = create_directory(directory_ + "/credentials", 0750, {}, config_->account.gid); !done)
        return done;
    if (auto done = prepare_main(); !done)
        return done;
    for (const OldDevice& device : plan_->server.devices)
        if (auto done = prepare_device(device); !done)
            return done;
    return {};
}

Result<void> Import::carry_out_plan() {
    const std::string agreed = plan_->what_shuts();
    auto change = Change::begin(directory_);
    if (!change)
        return change.error();
    change_.emplace(*std::move(change));
    if (auto made = make_identity(); !made)
        return made;
    if (auto planned = plan(); !planned) // nobody changes it any more
        return planned;
    if (plan_->what_shuts() != agreed)
        return Error{"the configuration has changed meanwhile; nothing was written", "import again", Exit::busy};
    if (auto done = prepare(); !done)
        return done;
    std::set<std::string> users;
    for (const OldDevice& device : plan_->server.devices)
        users.insert(device.user.name);
    const bool is_main_changed = !report_.files.empty();
    const auto told = carry_out(*change_, link_, link_.runs() && is_main_changed ? std::set<std::string>() : users,
                                "taken over from " + options_.kind);
    if (!told)
        return told.error();
    const auto made = identity_.keep();
    report_.files.insert(report_.files.end(), made.begin(), made.end());
    report_.files.insert(report_.files.end(), change_->written().begin(), change_->written().end());
    report_.reloaded = told->runs;
    report_.warnings.insert(report_.warnings.end(), told->warnings.begin(), told->warnings.end());
    return {};
}

Result<bool> import_all(Import& import, const ImportOptions& options) {
    if (auto done = import.read(); !done)
        return done.error();
    if (auto done = import.plan(); !done)
        return done.error();
    if (import.planned().server.devices.empty())
        return false;
    if (options.dry_run)
        return true;
    if (auto done = import.ask(); !done)
        return done.error();
    if (auto done = import.carry_out_plan(); !done)
        return done.error();
    return true;
}

} // namespace

int run_import(const ImportOptions& options, const Control& control) {
    // Nothing that is made here may be for more eyes than it says, nor be left in a core dump.
    ::umask(077);
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (::geteuid() != 0)
        return fail(Error{"only root works with the files of users", "sudo knockctl import ..."});
    Import import(options, control);
    const auto done = import_all(import, options);
    if (!done)
        return fail(done.error());
    takeover::ImportReport& report = import.report();
    report.wrote = *done && !options.dry_run;
    if (control.as_json)
        std::cout << text_of(takeover::json_of(report, import.planned(), options), 2) << "\n";
    else
        std::cout << as_lines(takeover::text_of(report, import.planned(), options));
    return *done ? 0
                 : fail(Error{"nobody in " + in_quotes(options.file) + " can be taken over; nothing was written",
                              "the report says why of each; knockctl user add makes new devices"});
}

} // namespace xk::tools
