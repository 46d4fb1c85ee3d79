// SPDX-License-Identifier: MIT
// "knockctl user rotate": new secrets for a device. They get files of other names, so that the device goes from the old
// ones to the new ones with one rename(2) of its .yaml.
#include "daemon/config/machines.h"
#include "protocol/base/quote.h"
#include "protocol/encoding.h"
#include "tools/knockctl/host/users/delivery.h"
#include "tools/knockctl/host/users/hosts.h"
#include "tools/knockctl/host/users/profile_text.h"
#include "tools/knockctl/host/users/secrets.h"
#include "tools/knockctl/host/users/verbs.h"

namespace xk::tools {
namespace {

class Rotation {
  public:
    Rotation(const UserOptions& options, const DaemonLink& link)
        : options_(options), link_(link), directory_(config::directory_of(options.config_file)) {}
    Result<Report> run();

  private:
    Result<DeviceFiles> find();
    Result<void> check_code_only(const DeviceFiles& device) const;
    Result<void> plan();
    Result<void> make_secrets(const DeviceFiles& old);
    Result<void> prepare_files(Change& change, const DeviceFiles& old);
    Result<Report> deliver(Change& change, const DeviceFiles& old);

    const UserOptions& options_;
    const DaemonLink& link_;
    std::string directory_;
    std::optional<config::Config> config_;
    std::optional<Delivery> delivery_; // none: --code-only
    config::UserFile user_;
    config::CredentialFile device_; // as it will be
    DeviceSecrets secrets_;
};

Result<DeviceFiles> Rotation::find() {
    const auto who = parse_who(options_.who);
    if (!who)
        return who.error();
    auto person = find_person(directory_, *who, Devices::usual);
    if (!person)
        return person.error();
    user_ = person->file;
    auto device = only_device(*person, *who);
    if (device && device->file.kind != authz::DeviceKind::xknock)
        return Error{in_quotes(device->label()) + " is a device of an old client",
                     "its program makes its keys; write them to " + device->key};
    return device;
}

Result<void> Rotation::check_code_only(const DeviceFiles& device) const {
    if (!has_codes(device.file.factor))
        return Error{in_quotes(device.label()) + " has no code: its factor is " +
                         std::string(name_of(device.file.factor)),
                     "knockctl user rotate " + device.label() + ", without --code-only", Exit::usage};
    // The device's place in the counter outlives its secret, and an authenticator begins with 0.
    if (device.file.factor == FactorKind::hotp)
        return Error{in_quotes(device.label()) + " has codes by counter, which begin anew only with a new key",
                     "knockctl user rotate " + device.label() + ", without --code-only", Exit::usage};
    for (const auto* const option : {&options_.login, &options_.profile_file, &options_.server, &options_.spool})
        if (!option->empty())
            return Error{"--code-only makes no profile: the old one goes on to work",
                         "leave --login, --out, --server and --spool out", Exit::usage};
    if (options_.bundle || options_.portable || !options_.hosts.empty())
        return Error{"--code-only makes no profile: the old one goes on to work",
                     "leave --bundle, --portable and --host out", Exit::usage};
    return {};
}

// Before the lock: a passphrase may be asked for.
Result<void> Rotation::plan() {
    if (auto good = check_hosts(options_.hosts, options_.server); !good)
        return good;
    const auto device = find();
    if (!device)
        return device.error();
    if (options_.code_only)
        return check_code_only(*device);
    auto delivery = Delivery::plan(options_, device->file);
    if (!delivery)
        return delivery.error();
    delivery_.emplace(*std::move(delivery));
    return {};
}

Result<void> Rotation::make_secrets(const DeviceFiles& old) {
    device_ = old.file;
    const auto fresh = random_bytes<wire::kCredentialIdSize>();
    device_.secrets = device_.user + "." + device_.device + "." + to_hex(std::span(fresh).first(4));
    if (options_.code_only) {
        auto secrets = read_secrets(*config_, old);
        if (!secrets)
            return secrets.error();
        secrets_ = *std::move(secrets);
    } else {
        // Another id: nothing that is remembered of the old key is about the new one.
        device_.id = fresh;
        make_key(secrets_);
        if (!options_.hosts.empty())
            device_.hosts = options_.hosts;
        if (!options_.server.empty())
            device_.server = options_.server;
    }
    make_factor(secrets_, device_.factor);
    return {};
}

Result<void> Rotation::prepare_files(Change& change, const DeviceFiles& old) {
    const std::string stem = old.path.substr(0, old.path.rfind('/') + 1) + *device_.secrets;
    const gid_t group = config_->account.gid;
    if (auto done = change.create(stem + ".key", key_text(secrets_).view(), 0640, group); !done)
        return done;
    if (device_.factor != FactorKind::none)
        if (auto done = change.create(stem + ".otp", factor_text(secrets_, device_.factor).view(), 0640, group); !done)
            return done;
    std::vector<yaml::Edit> edits = {{"secrets", in_quotes(*device_.secrets)}};
    if (device_.id != old.file.id)
        edits.push_back({"id", in_quotes(to_hex(device_.id))});
    if (device_.hosts != old.file.hosts) {
        std::string list;
        for (const std::string& host : device_.hosts)
            list += (list.empty() ? "" : ", ") + in_quotes(host, host.size());
        edits.push_back({"hosts", "[" + list + "]"});
    }
    if (device_.server != old.file.server)
        edits.push_back({"server", in_quotes(*device_.server, device_.server->size())});
    const auto text = edit_device(old, edits);
    if (!text)
        return text.error();
    if (auto done = change.replace(old.path, old.text, *text); !done)
        return done;
    change.remove_at_end(old.key);
    if (!old.factor.empty())
        change.remove_at_end(old.factor);
    return {};
}

Result<Report> Rotation::deliver(Change& change, const DeviceFiles& old) {
    Report report;
    if (delivery_) {
        const auto profile = profile_text(*config_, user_, device_, secrets_);
        if (!profile)
            return profile.error();
        if (auto done = delivery_->deliver(change, device_, *profile, true); !done)
            return done.error();
    }
    if (has_codes(device_.factor))
        if (auto done = add_code(report, options_, device_, secrets_.factor_bytes(), &change); !done)
            return done.error();
    const auto told =
        carry_out(change, link_, {device_.user},
                  "device " + device_.device + (options_.code_only ? " has a new code" : " has new secrets"));
    if (!told)
        return told.error();
    report.data.update({{"user", device_.user}, {"device", device_.device}});
    report.text = options_.code_only
                      ? old.label() + " has a new secret of its code: codes of the old one are refused from now on\n"
                      : old.label() + " has new secrets: its old profile is refused from now on\n";
    if (delivery_) {
        delivery_->report(report.data, report.text);
        report.after = "\nNext: " + delivery_->next(device_) + "\n";
        if (device_.hosts.empty())
            report.text += "the profile names no host: --host adds some\n";
    }
    tell(report, *told);
    return report;
}

Result<Report> Rotation::run() {
    auto config = config::load_main(options_.config_file);
    if (!config)
        return config.error();
    config_ = *std::move(config);
    if (auto done = plan(); !done)
        return done.error();
    auto change = Change::begin(directory_);
    if (!change)
        return change.error();
    const auto device = find();
    if (!device)
        return device.error();
    if (auto done = make_secrets(*device); !done)
        return done.error();
    if (auto done = prepare_files(*change, *device); !done)
        return done.error();
    return deliver(*change, *device);
}

} // namespace

Result<Report> rotate(const UserOptions& options, const DaemonLink& link) { return Rotation(options, link).run(); }

} // namespace xk::tools
