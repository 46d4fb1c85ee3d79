// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/users/delivery.h"

#include "protocol/base/quote.h"
#include "protocol/encoding.h"
#include "protocol/profile/bundle.h"
#include "tools/knockctl/host/spool.h"
#include "tools/knockctl/host/users/portable.h"

#include <nlohmann/json.hpp>

#include <ctime>

namespace xk::tools {
namespace {

std::string spool_of(const UserOptions& options) { return options.spool.empty() ? kSpool : options.spool; }

std::string usual_name(const config::CredentialFile& device, const char* end) {
    return "xknock-" + device.user + "-" + device.device + end;
}

} // namespace

Result<void> check_delivery(const UserOptions& options, FactorKind factor) {
    const int ways = (options.login.empty() ? 0 : 1) + (options.bundle ? 1 : 0) + (options.portable ? 1 : 0);
    if (ways > 1)
        return Error{"a profile goes one way: --login, --bundle or --portable", "name one of them", Exit::usage};
    if (!options.login.empty() && !options.profile_file.empty())
        return Error{"--login keeps the profile in the spool, and --out writes it elsewhere", "name one of them",
                     Exit::usage};
    if (!options.spool.empty() && options.login.empty())
        return Error{"--spool is for --login", "--login LOGIN names whose profile it is", Exit::usage};
    if (!options.passphrase_file.empty() && !options.bundle)
        return Error{"--passphrase-file is for --bundle", {}, Exit::usage};
    if (options.passphrase_file == "-" && options.same_code_as == "-")
        return Error{"standard input has the passphrase or the code's secret, and not both",
                     "--passphrase-file names a file", Exit::usage};
    if (options.machine && factor != FactorKind::hmac)
        return Error{"--machine is for factor hmac, and this is " + std::string(name_of(factor)),
                     "leave --machine out: the secret of a code is never in a profile", Exit::usage};
    // Key and factor in one: there is no second thing that a thief would need.
    if (options.bundle && factor == FactorKind::hmac && !options.machine)
        return Error{"a bundle of a device with factor hmac holds key and factor in one",
                     "for a machine: --machine says that this is meant; for a person: --factor totp", Exit::usage};
    return options.login.empty() ? Result<void>() : check_login(options.login);
}

Result<Delivery> Delivery::plan(const UserOptions& options, const config::CredentialFile& device) {
    if (auto good = check_delivery(options, device.factor); !good)
        return good.error();
    Delivery delivery(options);
    if (options.bundle) {
        auto passphrase = read_passphrase(options.passphrase_file);
        if (!passphrase)
            return passphrase.error();
        if (passphrase->size < kMinBundlePassphrase)
            return Error{"the passphrase is too short: " + std::to_string(kMinBundlePassphrase) +
                             " bytes are the least, because whoever has the bundle can guess without limit",
                         "four or five words that have nothing to do with each other", Exit::usage};
        delivery.passphrase_ = *std::move(passphrase);
    }
    return delivery;
}

Result<void> Delivery::seal(Change& change, const WipedText& profile) {
    auto line = seal_bundle({reinterpret_cast<const std::uint8_t*>(profile.view().data()), profile.size()},
                            passphrase_->bytes());
    if (!line)
        return line.error();
    if (options_.profile_file.empty()) {
        bundle_ = *std::move(line);
        return {};
    }
    file_ = options_.profile_file;
    return change.write_outside(file_, *line + "\n", line->substr(0, 64));
}

Result<void> Delivery::deliver(Change& change, const config::CredentialFile& device, const WipedText& profile,
                               bool replaces) {
    const std::string mark = to_hex(device.id);
    if (options_.bundle)
        return seal(change, profile);
    if (!options_.login.empty()) {
        const std::string path = spool_path(spool_of(options_), options_.login, device.device);
        if (auto noted = change.note_outside(path, mark); !noted)
            return noted;
        auto put = put_into_spool(spool_of(options_), options_.login, device.device, profile.view(),
                                  replaces ? Unfetched::replace : Unfetched::keep);
        file_ = put ? *put : "";
        return put ? Result<void>() : Result<void>(put.error());
    }
    file_ = !options_.profile_file.empty() ? options_.profile_file
                                           : usual_name(device, options_.portable ? ".tar" : ".yaml");
    if (!options_.portable)
        return change.write_outside(file_, profile.view(), mark);
    const WipedText tar = portable_tar(usual_name(device, ""), profile.view(), std::time(nullptr));
    return change.write_outside(file_, tar.view(), mark);
}

void Delivery::report(nlohmann::json& data, std::string& text) const {
    if (!file_.empty()) {
        data["profile"] = file_;
        text += "wrote " + as_line(file_) + "\n";
    }
    if (!bundle_.empty()) {
        data["bundle"] = bundle_;
        text += bundle_ + "\n";
    }
}

std::string Delivery::next(const config::CredentialFile& device) const {
    const std::string host = device.hosts.empty() ? "THIS-SERVER" : device.hosts.front();
    if (!options_.login.empty())
        return "on the device: knock-client enroll " + options_.login + "@" + host;
    if (options_.bundle)
        return "send " + (file_.empty() ? std::string("the line") : file_) +
               " to the person, and the passphrase by another way; on the device: knock-client enroll -";
    if (options_.portable)
        return "bring " + file_ + " to the device; there: tar xf " + file_ + ", and python3 " + usual_name(device, "") +
               "/xknock.py open " + host + " --profile " + usual_name(device, "") + "/profile.yaml";
    return "bring " + file_ + " to the device, into ~/.config/xknock (mode 0600)";
}

} // namespace xk::tools
