"""The texts of the sample documents that `make_staff_files` writes as PDF and Word files.

A line that starts with `# ` is the title, `## ` a heading, `- ` a list item, `| ` a row of a table (cells
divided by ` | `). Other lines make paragraphs, divided by empty lines.
"""

SECURITY_WHITE_PAPER = """
# Tallyvane Security White Paper

Version 4.2, October 2026. This paper is public. It describes how Tallyvane protects the invoices, time
records and contact data that small companies keep with us. It replaces version 4.1 of November 2025.

## 1. Scope and shared responsibility
This paper covers the Tallyvane web application, the mobile apps, the public API and the systems behind them.
Tallyvane is responsible for the security of the platform: hardware, network, operating systems, application
and backups. The customer is responsible for choosing who gets an account, for strong passwords and for the
devices on which people work. On the Business and Enterprise plans an administrator can enforce single
sign-on by SAML, so that the company's own identity provider decides who may sign in.

## 2. Encryption
All customer data is encrypted at rest with AES-256. This holds for databases, file storage, search indexes
and backups. Every connection between a browser, an app or an API client and our servers is encrypted with
TLS 1.3. Older protocol versions are refused since January 2025. Traffic between our two data centres runs
through an encrypted tunnel. Encryption keys are held in a hardware security module and are rotated every 90
days. No employee can export a key. Passwords are never stored; we keep only a salted hash made with
Argon2id.

## 3. Data centres and data residency
Tallyvane runs in two data centres, in Frankfurt and in Dublin. Both are operated by certified hosting
companies inside the European Union and are guarded around the clock. Frankfurt is the primary location and
Dublin takes over if Frankfurt fails. Customer data does not leave the European Union. Customers on the
Enterprise plan choose in which of the two data centres their data is stored. Physical access needs a badge
and a fingerprint, and every visit is logged and reviewed each month.

## 4. Backups and recovery
The databases are backed up in full every night at 02:00 CET, and changes are copied continuously in between.
Backups are kept for 35 days. After that they are overwritten and cannot be restored. Each backup is
encrypted with AES-256 and is stored in the other data centre, so a fire in one of them destroys neither data
nor backup. We restore a randomly chosen backup every quarter and compare it with the original. Our recovery
point objective is one hour: at most one hour of work is lost. Our recovery time objective is eight hours.
Single records deleted by mistake cannot be restored from a backup.

## 5. Access by our employees
Access to production systems follows the rule of least privilege. Only the platform team has standing access,
and it signs in with a hardware key over a private network. Support agents see a customer's account only
after the customer has granted access in the settings, and the grant ends by itself after 72 hours. Every
access is recorded with the time, the role and the reason. The list of people with access is reviewed every
quarter, and accounts of leavers are closed on their last working day.

## 6. Secure development
Every change to the code is reviewed by a second engineer before it is merged. Automatic checks look for
known vulnerable packages, leaked credentials and common programming mistakes, and a change that fails them
cannot be released. Critical vulnerabilities are fixed within 72 hours, high ones within 14 days and all
others within 90 days. Development and test systems are separate from production and contain only invented
data. Releases go first to one percent of the accounts and are rolled back automatically when the error rate
rises.

## 7. Penetration tests
An independent firm carries out a penetration test every year in May. The test covers the web application,
the API, the mobile apps and the network edge, and takes ten working days. The test of May 2026 found no
critical issue, one high issue and four medium issues. The high issue, a missing check in the export of time
sheets, was fixed within six days and tested again. Business and Enterprise customers get a summary of the
latest report on request from security@example.com. The full report is not handed out.

## 8. Certification
Tallyvane has been certified to ISO 27001 since June 2021. The present certificate has the number
TV-27001-0388 and is valid until 30 June 2027. An accredited body audits us once a year, and the last
surveillance audit took place in June 2026 without major findings. The certificate covers development,
operation and support of the product. A copy of the certificate and the statement of applicability can be
ordered from security@example.com.

## 9. Logging and monitoring
Sign-ins, changes of permissions, exports and administrative actions are logged. Security logs are kept for
12 months and cannot be altered by those who appear in them. An alert for unusual sign-ins, such as many
failed attempts or two distant countries within an hour, reaches the on-call engineer at any time of day.
Customers on the Business and Enterprise plans read the events of their own account in the audit log.

## 10. Incident response
Security incidents are handled by a fixed procedure with four steps: contain, investigate, inform, learn. An
incident lead is named within 30 minutes. If personal data of a customer is affected, we inform the account
owner within 48 hours by e-mail, with what we know, what we have done and what the customer should do. A
written report follows within ten working days. The procedure is rehearsed twice a year.

## 11. Responsible disclosure
Anyone who finds a weakness is asked to report it to security@example.com, if possible encrypted with our
public key. A report is confirmed within two working days. We ask researchers to keep a weakness secret for
90 days, so that it can be fixed, and we publish it together with them after that. We take no legal steps
against researchers who act in good faith, touch only their own test accounts and do not disturb the service.
Rewards lie between 100 EUR and 3,000 EUR, depending on severity. Denial of service and tricking our
employees are out of scope.

## 12. Deletion of data
When a customer cancels, the data stays readable for 90 days and is then deleted from all live systems.
Copies in backups disappear when the backups expire. Storage media that are taken out of service are
overwritten and then shredded by a certified firm, and we keep the destruction records for five years.
"""

SERVICE_LEVELS = """
# Service Level Agreement

Version 3, in force since 1 January 2026. This agreement applies to the Business and Enterprise plans of
Tallyvane. The Solo and Team plans are offered without an uptime commitment.

## Uptime commitment
Tallyvane commits to an uptime of 99.9 % in every calendar month. In a month of 30 days this allows a
downtime of at most 43 minutes. The commitment covers the web application, the mobile apps and the public
API. A custom agreement with an Enterprise customer may set a higher figure, which then takes the place of
this one.

## How uptime is measured
Uptime is measured from outside our network by probes in three European countries, once every 30 seconds. A
minute counts as downtime when at least two of the three probes get an error or no answer for the whole
minute. Uptime is the share of minutes in the month that were not downtime. The figures are published on the
status page on the second working day of the following month, and they decide in case of doubt.

## Service credits
If the commitment is missed, the customer gets a credit on the fee of that month. The credit is deducted from
the next invoice and is never paid out in cash. Below 99.9 % uptime the credit is 10 % of the monthly fee.
Below 99.0 % uptime the credit is 25 % of the monthly fee. Below 95.0 % uptime the credit is 50 % of the
monthly fee, which is the highest credit in any month.
| Uptime in the month | Credit on the monthly fee
| 99.0 % to below 99.9 % | 10 %
| 95.0 % to below 99.0 % | 25 %
| below 95.0 % | 50 %

## How to claim a credit
Credits are not given automatically. A service credit must be claimed within 30 days after the end of the
month in which the downtime took place. The account owner sends the claim to sla@example.com and names the
account number, the date and the time of the downtime. We answer a claim within five working days. Claims
that arrive late lapse without exception, even if the downtime is undisputed.

## Exclusions
The following do not count as downtime:
- announced maintenance, at most four hours a month, on Sundays between 02:00 and 06:00 CET and announced at
least five days ahead;
- failures of the customer's own network, devices or identity provider;
- rejected API requests above the rate limit of 120 requests per minute per key;
- functions that are marked as beta;
- force majeure, such as war, strike or the failure of public power grids.

## Support response times
The help desk works from Monday to Friday, 08:00 to 18:00 CET. Business and Enterprise customers can also
call the emergency line 24 hours a day, 7 days a week. The emergency line is meant for outages and security
matters only. A call about an outage is answered by an engineer within 15 minutes. Other requests of Business
customers get a first answer within four working hours, and those of Enterprise customers within two working
hours.

## Termination for repeated failure
If the uptime stays below 99.0 % in three months out of six, the customer may end the contract at the close
of any month. Fees paid for the time after that are returned in full. The notice must be sent in writing
within 60 days after the third such month.
"""

DATA_PROCESSING = """
# Data Processing Agreement

Version 2.3 of 2 February 2026. This agreement is part of every contract on the use of Tallyvane. The
customer is the controller and Tallyvane is the processor of the personal data that the customer keeps in the
product.

## Subject and duration
Tallyvane processes personal data only to provide invoicing and time tracking to the customer. The agreement
lasts as long as the main contract. No signature is needed: the agreement takes effect when the customer
accepts the terms of service. Customers who need a signed copy can ask for one at privacy@example.com, and
they receive it within five working days.

## Data and persons concerned
The data concerned are names, addresses, e-mail addresses, bank details, invoice contents, working times and
sign-in records. The persons concerned are the customer's employees, clients and suppliers. Special
categories of data, such as health data, must not be entered into Tallyvane. The free-text fields of invoices
and time entries are not meant for them either.

## Instructions of the controller
Tallyvane processes the data only on documented instructions of the customer. Settings made in the product
count as documented instructions. If we believe that an instruction breaks the law, we tell the customer and
may wait until it is confirmed. Customer data is not used for advertising and is not used to train machine
learning models.

## Confidentiality and security
Everyone who may see personal data has signed a duty of confidentiality, which continues after the employment
ends. The technical and organisational measures are described in the security white paper. Tallyvane may
replace a measure by a better one but may not lower the level of protection. Employees are trained in data
protection once a year.

## Subprocessors
The customer agrees to the use of the subprocessors in the published list. Tallyvane announces a new
subprocessor at least 30 days ahead by e-mail to the account owner. The customer may object within 14 days
after the announcement. If no solution is found, the customer may end the contract before the change and gets
back the fees paid in advance. Each subprocessor is bound by the same duties as Tallyvane.

## Rights of the persons concerned
If a person asks Tallyvane for access, correction or deletion, the request is passed on to the customer
within three working days. Tallyvane does not answer such requests itself. The customer can find, correct,
export and delete nearly all personal data without help. Where help is needed, it is free of charge up to
four hours a year and then costs 95 EUR per hour.

## Personal data breaches
Tallyvane informs the customer of a personal data breach within 48 hours after becoming aware of it. The
message names the kind of data, the number of persons concerned as far as known, the likely consequences and
the steps taken. The customer decides whether the supervisory authority must be told. Tallyvane supports the
customer with all information needed for that.

## Audits
The customer may check compliance with this agreement once a year. An audit on site must be announced 30 days
ahead and takes at most two working days. In most cases our ISO 27001 certificate and the summary of the
latest penetration test are enough. An audit on site after a breach may be announced seven days ahead and
does not count towards the yearly limit.

## End of the agreement
After the contract has been cancelled, the data stays readable for 90 days and is then deleted. During that
time the customer can export everything. The duty to keep accounting records rests with the customer, not
with Tallyvane. On request we confirm the deletion in writing within ten working days after it has taken
place.
"""

EMPLOYEE_HANDBOOK = """
# Employee Handbook

Edition of January 2026. Internal. This handbook applies to everyone employed by Tallyvane. Where a local law
is more generous, the local law counts. Questions go to the people team at people@example.com.

## Working hours
The full working week has 38 hours. Core time is from 10:00 to 15:00 CET, and the rest of the day is arranged
within the team. Overtime must be agreed with the team lead beforehand and is taken as time off within three
months. Employees on the on-call rota get 180 EUR for each week on call, and twice the hourly rate for the
time they really work at night or on Sundays.

## Annual leave
Every full-time employee has 28 days of paid holiday a year, and public holidays come on top. Requests are
entered in the people portal, at least two weeks ahead for more than three days. Up to 5 days of holiday may
be carried over and must be used by 31 March of the next year. 24 and 31 December are free for
everyone except the emergency line and do not count against the holiday.

## Parental leave
Parental leave is 20 weeks at full pay for every new parent, whether by birth or by adoption. It can be taken
in up to three blocks within two years after the child arrives. The first block should be announced eight
weeks ahead. Those who return may work 60 % of the hours at 80 % of the pay for the first two months.
Parental leave does not shorten the holiday of the year.

## Sickness
Employees who are ill tell their team lead before 10:00 on the first day. A doctor's certificate is needed
from the fourth day of illness. Full pay continues for up to six weeks. A sick child under 12 counts the same
as the employee's own illness for up to ten days a year.

## Remote work and work abroad
Everyone may work from home on any day, as long as the team agrees. Remote work from abroad is possible for
up to 20 days a year inside the European Union, the EEA, Switzerland and the United Kingdom. It must be
requested in the people portal at least three weeks ahead, because a social security form is needed for each
country. Work from other countries is not possible. Customer data must not be opened in public places without
a privacy screen, and the home office allowance is 400 EUR once every three years.

## Expenses
Expenses are handed in through the expense tool within 60 days, with a photo of the receipt. Hotels are
reimbursed up to 140 EUR per night, in capital cities up to 180 EUR. Meals on business trips are reimbursed
up to 38 EUR a day. Trains are booked in second class, and flights only if the train takes more than six
hours. Expenses above 500 EUR need the agreement of the team lead before the money is spent.

## Training
Every employee has a training budget of 1,200 EUR and five days a year. The budget covers courses, books,
conferences and examination fees. It does not carry over. Training that costs more than 2,000 EUR must be
paid back in part when the employee resigns within twelve months.

## Equipment and security
Laptops are encrypted and are replaced every four years. Every employee gets two hardware keys for signing
in; a lost key is reported to the security team within one hour. Private devices may be used for chat and
calendar but not for customer data. Passwords are kept in the company's password manager and nowhere else.

## Conduct and whistle-blowing
We treat each other with respect and do not accept bullying, harassment or bribery. Gifts worth more than 35
EUR must be declined or handed to the people team. Wrongdoing can be reported at any time, also anonymously,
through the whistle-blowing portal, which is run by an outside ombudsperson. A report is confirmed within 7
days and answered within three months. Nobody may suffer a disadvantage because of a report made in good
faith.

## Ending the employment
The notice period is four weeks during the probation of six months and three months afterwards, for both
sides. Equipment is returned on the last working day. Open holiday is taken before that day or paid out. The
people team offers a closing conversation and issues a reference within two weeks.
"""

OLD_AUDIT = """
# Internal audit 2019

Archived. This report has been superseded by the audits of later years and is kept under a password because
it names systems that no longer exist.
"""
