// SPDX-License-Identifier: MIT
// Person: the files of a user and of their devices, wherever they are, and edits that keep what stands in them.
#include "tools/knockctl/host/users/person.h"

#include "tests/unit/config/etc.h"

using namespace xk;
using namespace xk::tools;
using test::Etc;
using test::has;

namespace {

std::string devices_of(const Person& person) {
    std::string text;
    for (const DeviceFiles& device : person.devices)
        text += device.label() + " ";
    return text;
}

Result<Person> find(const Etc& etc, const std::string& who, Devices devices = Devices::all) {
    const auto parsed = parse_who(who);
    REQUIRE(parsed.has_value());
    return find_person(etc.path.string(), *parsed, devices);
}

} // namespace

TEST_CASE("a user or a device is named by one text") {
    CHECK(parse_who("anna")->user == "anna");
    CHECK_FALSE(parse_who("anna")->device.has_value());
    CHECK(parse_who("anna/laptop")->device == "laptop");
    CHECK(parse_who("a.b/c.d")->text() == "a.b/c.d");
    const auto wrong = [](const std::string& text) {
        const auto who = parse_who(text);
        REQUIRE_FALSE(who.has_value());
        CHECK(who.error().exit == Exit::usage);
        return who.error().message;
    };
    CHECK(wrong("") == "the name of the user is empty");
    CHECK(wrong("anna/") == "the name of the device is empty");
    CHECK(wrong("/laptop") == "the name of the user is empty");
    CHECK(has(wrong("anna/a/b"), "there is a \"/\" in it"));
    CHECK(has(wrong("an\nna"), "there is a line end in it"));
    CHECK(has(wrong(std::string(33, 'a')), "is too long for a user: it has 33 characters, and 32 can be"));
    CHECK(has(wrong("../anna"), "is not the name of a user"));
    CHECK(has(wrong("-a"), "is not the name of a user"));
}

TEST_CASE("devices are found in whatever file describes them") {
    const Etc etc;
    CHECK(devices_of(find(etc, "anna").value()) == "anna/laptop anna/phone ");
    etc.credential("other", "user: anna\ndevice: tablet\nid: 0000000000000009\nfactor: hmac\nsecrets: elsewhere\n");
    // Of a user whose name begins likewise, and one that only mentions her.
    etc.credential("anna.x.pc", "user: anna.x\ndevice: pc\nid: 000000000000000a\nfactor: none\n");
    etc.credential("third", "user: bob\ndevice: anna\nid: 000000000000000b\nfactor: none\n");
    const Person all = find(etc, "anna").value();
    CHECK(devices_of(all) == "anna/laptop anna/phone anna/tablet ");
    CHECK(all.devices[2].key == (etc.path / "credentials/elsewhere.key").string());
    CHECK(all.devices[2].factor == (etc.path / "credentials/elsewhere.otp").string());
    CHECK(devices_of(find(etc, "anna", Devices::usual).value()) == "anna/laptop anna/phone ");
    CHECK(devices_of(find(etc, "anna/tablet", Devices::usual).value()) == "anna/laptop anna/phone anna/tablet ");
    CHECK(find(etc, "anna", Devices::none).value().devices.empty());
    // A user in a file of another name.
    std::filesystem::rename(etc.path / "users/anna.yaml", etc.path / "users/x.yaml");
    CHECK(find(etc, "anna").value().path == (etc.path / "users/x.yaml").string());
}

TEST_CASE("who is not there is named with the one who may be meant") {
    const Etc etc;
    CHECK(find(etc, "ana").error().message == "there is no user \"ana\"");
    CHECK(find(etc, "ana").error().hint == "did you mean \"anna\"?");
    CHECK(find(etc, "somebody").error().hint == "knockctl user list");
    CHECK(find(etc, "anna/laptpo").error().message == "user \"anna\" has no device \"laptpo\"");
    CHECK(find(etc, "anna/laptpo").error().hint == "did you mean \"anna/laptop\"?");
    CHECK(find(etc, "anna/x").error().hint == "knockctl user show anna");
    const Person anna = find(etc, "anna").value(), bob = find(etc, "bob").value();
    CHECK(only_device(bob, {"bob", {}})->label() == "bob/pc");
    CHECK(only_device(anna, {"anna", {}}).error().message ==
          "user \"anna\" has several devices: anna/laptop, anna/phone");
    CHECK(only_device(anna, {"anna", "phone"})->label() == "anna/phone");
}

TEST_CASE("a fault in their own file is said, and one in another file is not") {
    const Etc etc;
    etc.write("users/bob.yaml", "[");
    etc.write("credentials/bob.pc.yaml", "user: anna [");
    CHECK(find(etc, "anna").has_value());
    CHECK(has(find(etc, "bob").error().message, "users/bob.yaml:"));
    etc.write("credentials/anna.phone.yaml", "user: anna\n");
    CHECK(has(find(etc, "anna").error().message, "anna.phone.yaml:1:1: \"device\" is missing"));
    std::filesystem::remove(etc.path / "credentials/anna.phone.yaml");
    std::filesystem::create_symlink("/etc/hostname", etc.path / "credentials/anna.phone.yaml");
    CHECK(has(find(etc, "anna").error().message, "is a symbolic link"));
}

TEST_CASE("an edit keeps comments and other keys, and must make sense") {
    const Etc etc;
    etc.write("users/anna.yaml", "# from the office\nname: anna # yes\nservices: [ssh, web]\n\nlifetime: 5s\n");
    const Person anna = find(etc, "anna").value();
    CHECK(edit_user(anna, {{"enabled", "false"}}).value() ==
          "# from the office\nname: anna # yes\nservices: [ssh, web]\n\nlifetime: 5s\nenabled: false\n");
    CHECK(edit_user(anna, {{"lifetime", std::nullopt}}).value() ==
          "# from the office\nname: anna # yes\nservices: [ssh, web]\n\n");
    CHECK_FALSE(edit_user(anna, {{"lifetime", "soon"}}).has_value());
    CHECK_FALSE(edit_user(anna, {{"lifetme", "5s"}}).has_value());
    CHECK_FALSE(edit_user(anna, {{"max_lifetime", "1s"}}).has_value()); // the lifetime is longer
    CHECK(has(edit_device(anna.devices[0], {{"valid_until", "2100-01-01"}}).value(), "valid_until: 2100-01-01\n"));
    CHECK_FALSE(edit_device(anna.devices[0], {{"lifetime", "5s"}}).has_value());
}
