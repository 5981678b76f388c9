require "net/smtp"
# require "mail"
# require "erb"
# require "sidekiq"

class Mailer
  # include Sidekiq::Worker
  # sidekiq_options retry: 3, queue: "mail"

  def initialize
    @host = "localhost"
    # @host = ENV["SMTP_HOST"]
    # @host = "10.0.0.17"
    @port = 25
    # @port = 587
    # @user = ENV["SMTP_USER"]
    # @pass = ENV["SMTP_PASS"]
  end

  # def perform(kind, id)
  #   user = User.find(id)
  #   case kind
  #   when "welcome"
  #     welcome(user)
  #   when "reset"
  #     reset(user)
  #   when "goodbye"
  #     goodbye(user)
  #   end
  # end

  def welcome(user)
    # template = ERB.new(File.read("templates/welcome.erb"))
    # body = template.result_with_hash(user: user)
    body = "Hello " + user.name
    deliver(user.email, "Welcome", body)
    # deliver("admin@site.example", "New user", user.email)
    # user.update(welcomed_at: Time.now)
  end

=begin
  def reset(user)
    token = SecureRandom.hex(20)
    user.update(reset_token: token, reset_at: Time.now)
    body = "Click here: http://site.example/reset/" + token
    deliver(user.email, "Reset", body)
  end

  def goodbye(user)
    body = "Sorry to see you go, " + user.name
    deliver(user.email, "Goodbye", body)
    user.update(active: false)
  end

  def weekly
    User.where(active: true).each do |user|
      posts = Post.where("created_at > ?", Time.now - 7 * 86400)
      next if posts.empty?
      body = posts.map { |p| p.title + ": " + p.url }.join("\n")
      deliver(user.email, "Weekly", body)
    end
  end
=end

  def deliver(to, subject, body)
    # return if to.nil?
    # return if blacklist.include?(to)
    msg = "To: " + to + "\nSubject: " + subject + "\n\n" + body
    # mail = Mail.new do
    #   from "noreply@site.example"
    #   to to
    #   subject subject
    #   body body
    # end
    # mail.delivery_method :smtp, address: @host, port: @port
    # mail.deliver!
    Net::SMTP.start(@host, @port) do |smtp|
      # smtp.enable_starttls
      # smtp.authenticate(@user, @pass, :plain)
      smtp.send_message(msg, "noreply@site.example", to)
    end
  rescue
    # retry_count += 1
    # sleep 5
    # retry if retry_count < 3
    # raise
    nil
  end

  # def blacklist
  #   @blacklist ||= File.readlines("blacklist.txt").map(&:strip)
  # end
end
