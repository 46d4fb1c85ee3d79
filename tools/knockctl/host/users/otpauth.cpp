// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/users/otpauth.h"

#include "protocol/encoding.h"

#include <png.h>
#include <qrencode.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <memory>

namespace xk::tools {
namespace {

constexpr int kQuiet = 2;        // modules around the code on a terminal
constexpr int kPictureQuiet = 4; // as ISO/IEC 18004 wants it
constexpr int kPixels = 8;       // of a module

// As in a part of a path (RFC 3986, section 3.3), where "@" may stand.
std::string percent_encoded(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' || c == '~' || c == '@') {
            out += c;
            continue;
        }
        char hex[4];
        std::snprintf(hex, sizeof hex, "%%%02X", static_cast<unsigned char>(c));
        out += hex;
    }
    return out;
}

struct Label {
    std::string issuer, account;
    bool says_issuer_twice = true; // as newer applications want it
};

// The best label first.
std::vector<Label> labels_of(const Owner& owner, std::string host) {
    // An address of IPv6, whose colons would end the issuer.
    std::ranges::replace(host, ':', '-');
    const std::string account = owner.user + "@" + owner.device;
    const std::string plain = "xknock";
    std::vector<Label> labels;
    const auto add = [&](const std::string& issuer) {
        labels.push_back({issuer, account, true});
        labels.push_back({issuer, account, false});
    };
    if (!host.empty()) {
        add(plain + " " + host);
        const bool is_name =
            std::ranges::any_of(host, [](char c) { return std::isalpha(static_cast<unsigned char>(c)); });
        if (const auto dot = host.find('.'); is_name && dot != host.npos)
            add(plain + " " + host.substr(0, dot));
    }
    add(plain);
    return labels;
}

WipedText uri_of(FactorKind kind, const Label& label, const std::string& secret, unsigned digits) {
    const std::string issuer = percent_encoded(label.issuer);
    WipedText uri("otpauth://" + std::string(name_of(kind)) + "/" + issuer + ":" + percent_encoded(label.account));
    uri += "?secret=";
    uri += secret;
    if (label.says_issuer_twice)
        uri += "&issuer=" + issuer;
    if (digits != 6)
        uri += "&digits=" + std::to_string(digits);
    if (kind == FactorKind::hotp)
        uri += "&counter=0";
    return uri;
}

struct PngWriter {
    PngWriter() : png(::png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr)) {
        if (png != nullptr)
            info = ::png_create_info_struct(png);
    }
    ~PngWriter() { ::png_destroy_write_struct(&png, &info); }
    PngWriter(const PngWriter&) = delete;
    PngWriter& operator=(const PngWriter&) = delete;

    png_structp png;
    png_infop info = nullptr;
};

void append(png_structp png, png_bytep bytes, png_size_t size) {
    *static_cast<WipedText*>(::png_get_io_ptr(png)) += std::string_view(reinterpret_cast<const char*>(bytes), size);
}

} // namespace

WipedText otpauth_uri(FactorKind kind, const Owner& owner, const std::string& host, ByteView secret, unsigned digits) {
    std::string text = to_base32(secret);
    WipedText uri;
    const auto fits = [&](const Label& label) {
        uri = uri_of(kind, label, text, digits);
        return uri.size() <= kMostQrText;
    };
    const std::vector<Label> labels = labels_of(owner, host);
    if (std::ranges::none_of(labels, fits))
        for (Label last = labels.back(); last.account.size() > 1 && !fits(last);)
            last.account.pop_back();
    sodium_memzero(text.data(), text.size());
    return uri;
}

Result<QrCode> QrCode::of(const WipedText& text) {
    const auto release = [](QRcode* code) {
        if (code != nullptr)
            sodium_memzero(code->data, static_cast<std::size_t>(code->width) * static_cast<std::size_t>(code->width));
        ::QRcode_free(code);
    };
    const std::unique_ptr<QRcode, decltype(release)> code(
        ::QRcode_encodeData(static_cast<int>(text.size()), reinterpret_cast<const unsigned char*>(text.view().data()),
                            0, QR_ECLEVEL_L),
        release);
    if (!code)
        return os_error("making a QR code");
    QrCode own;
    own.size_ = code->width;
    own.modules_.resize(static_cast<std::size_t>(code->width) * static_cast<std::size_t>(code->width));
    for (std::size_t i = 0; i < own.modules_.size(); ++i)
        own.modules_[i] = static_cast<char>(code->data[i] & 1);
    return own;
}

WipedText QrCode::terminal_text(bool colours) const {
    WipedText out;
    for (int y = -kQuiet; y < size_ + kQuiet; y += 2) {
        out += colours ? "\033[30;47m" : "";
        for (int x = -kQuiet; x < size_ + kQuiet; ++x) {
            // With colours a dark module is the black foreground. Without colours the terminal is assumed to be dark,
            // and the light modules are drawn.
            const bool upper = is_dark(x, y) == colours, lower = is_dark(x, y + 1) == colours;
            out += upper ? (lower ? "█" : "▀") : (lower ? "▄" : " ");
        }
        out += colours ? "\033[0m\n" : "\n";
    }
    return out;
}

Result<WipedText> QrCode::png(const std::string& title) const {
    WipedText out;
    PngWriter writer;
    const auto side = static_cast<png_uint_32>((size_ + 2 * kPictureQuiet) * kPixels);
    WipedText row;
    row.resize((side + 7) / 8);
    std::string key = "Title", value = title;
    png_text text{};
    text.compression = PNG_TEXT_COMPRESSION_NONE;
    text.key = key.data();
    text.text = value.data();
    if (writer.png == nullptr || writer.info == nullptr)
        return os_error_of(ENOMEM, "making a picture");
    // libpng comes back here when it fails. No object is made behind this line.
    if (setjmp(png_jmpbuf(writer.png)) != 0)
        return os_error_of(ENOMEM, "making a picture");
    ::png_set_write_fn(writer.png, &out, append, nullptr);
    ::png_set_IHDR(writer.png, writer.info, side, side, 1, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                   PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    ::png_set_text(writer.png, writer.info, &text, 1);
    ::png_write_info(writer.png, writer.info);
    for (int y = 0; y < static_cast<int>(side); ++y) {
        for (int x = 0; x < static_cast<int>(side); ++x) {
            const bool dark = is_dark(x / kPixels - kPictureQuiet, y / kPixels - kPictureQuiet);
            const auto bit = static_cast<unsigned char>(0x80U >> (x % 8));
            auto& byte = reinterpret_cast<unsigned char&>(row.data()[x / 8]);
            byte = static_cast<unsigned char>(dark ? byte & ~bit : byte | bit);
        }
        ::png_write_row(writer.png, reinterpret_cast<png_bytep>(row.data()));
    }
    ::png_write_end(writer.png, writer.info);
    return out;
}

WipedText QrCode::svg(const std::string& title) const {
    const std::string side = std::to_string(size_ + 2 * kPictureQuiet);
    WipedText out("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" +
                  std::to_string((size_ + 2 * kPictureQuiet) * kPixels) + "\" height=\"" +
                  std::to_string((size_ + 2 * kPictureQuiet) * kPixels) + "\" viewBox=\"0 0 " + side + " " + side +
                  "\" shape-rendering=\"crispEdges\">\n<title>" + title + "</title>\n<rect width=\"" + side +
                  "\" height=\"" + side + "\" fill=\"#fff\"/>\n<path fill=\"#000\" d=\"");
    for (int y = 0; y < size_; ++y)
        for (int x = 0; x < size_; ++x)
            if (is_dark(x, y))
                out += "M" + std::to_string(x + kPictureQuiet) + " " + std::to_string(y + kPictureQuiet) + "h1v1h-1z";
    out += "\"/>\n</svg>\n";
    return out;
}

} // namespace xk::tools
